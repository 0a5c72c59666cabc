"""Two CPU devices, so that every test also runs the split over devices."""

from kalm_jax import parallel

parallel.start(cpu_devices=2)
