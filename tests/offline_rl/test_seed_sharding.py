"""How many devices train how many seeds."""

from kalm_jax.offline_rl.seed_sharding import SeedDevices


def test_few_devices_are_used_where_more_would_not_be_faster():
    found = [(s.count, s.size) for s in map(SeedDevices, (1, 2, 3, 4))]
    assert found == [(1, 1), (2, 2), (2, 4), (2, 4)]
