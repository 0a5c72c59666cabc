"""A run's folder: stages with their files, what they depend on, and how a killed run carries on.

Each stage has a folder of its own. `begun.json` holds its fingerprint (a hash of its settings, of the library's version
and of the stages it needs) from its first moment, `done.json` once it is complete. The same fingerprint continues or is
skipped; another one starts the stage anew, and with it every stage that needs it.

Of several processes (`setup_jax`) the first writes files; the folder is one that all of them see.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import shutil
import time
from collections.abc import Callable, Sequence

import kalm_jax
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import read_json, write_json


class RunFolder:
    """Stages of one run; see the module's first lines.

    Attributes:
      path: the folder.
      seconds: stage -> seconds it took, for the stages asked for so far (also of earlier runs of the same command).
    """

    def __init__(self, path: str | pathlib.Path, say: Callable[[str], None] = print):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)  # of several processes whichever is first
        self.seconds: dict[str, float] = {}
        self._prints: dict[str, str] = {}
        self._say = say if is_main_process() else lambda text: None

    def fingerprint(self, stage: str) -> str:
        """The fingerprint of a stage that was asked for."""
        return self._prints[stage]

    def stage(
        self,
        name: str,
        settings: dict,
        needs: Sequence[str],
        work: Callable[[pathlib.Path], None],
        together: bool = False,
    ) -> pathlib.Path:
        """Makes sure that a stage is complete and returns its folder.

        Args:
          name: of the stage and of its folder, such as "ground" or "learn/td3bc-kalm".
          settings: everything that its result depends on besides the stages it needs; must be JSON.
          needs: names of stages asked for before.
          work: writes the stage's files into the folder it is given; called again there after a kill.
          together: every process calls `work`, which computes on all devices and writes where `is_main_process`;
            otherwise only the writer does, and the others wait.
        """
        content = {"version": kalm_jax.__version__, "settings": settings, "needs": [self._prints[n] for n in needs]}
        mark = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        self._prints[name] = mark
        folder, writer = self.path / name, is_main_process()
        begun = self._begin(name, folder, mark, settings) if writer else None
        if broadcast_from_main(begun is not None):
            if writer:
                self._work(folder, mark, settings, begun, work)
            elif together:
                work(folder)
        self.seconds[name] = self._wait(folder, mark)["seconds"]
        return folder

    def _begin(self, name: str, folder: pathlib.Path, mark: str, settings: dict) -> dict | None:
        """What begun.json says now; None where the stage is done."""
        done = read_json(folder / "done.json")
        if done is not None and done["fingerprint"] == mark:
            self._say(f"{name}: done before ({done['seconds']:.0f} s), kept")
            return None
        begun = read_json(folder / "begun.json")
        if begun is not None and begun["fingerprint"] == mark:
            self._say(f"{name}: carrying on")
            return begun
        if folder.exists():
            self._say(f"{name}: settings changed, starting it anew")
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        begun = {"fingerprint": mark, "settings": settings, "seconds": 0.0}
        write_json(folder / "begun.json", begun)
        return begun

    def _work(self, folder: pathlib.Path, mark: str, settings: dict, begun: dict, work) -> None:
        start = time.monotonic()
        try:
            work(folder)
        except BaseException:
            write_json(folder / "begun.json", {**begun, "seconds": begun["seconds"] + time.monotonic() - start})
            raise
        seconds = begun["seconds"] + time.monotonic() - start
        write_json(folder / "done.json", {"fingerprint": mark, "settings": settings, "seconds": seconds})

    def _wait(self, folder: pathlib.Path, mark: str) -> dict:
        """What done.json says, as soon as the writer has written it."""
        while True:
            done = read_json(folder / "done.json")
            if done is not None and done["fingerprint"] == mark:
                return done
            time.sleep(0.2)
