"""What a kill left is removed, and nothing else."""

import os

from pmrnet.part_folders import remove_leftovers


def test_only_folders_of_processes_that_are_gone(gone_process, tmp_path):
    left = tmp_path / f".part-[a]-{gone_process}-01234567-out*"
    kept = [
        tmp_path / f".part-[a]-{os.getpid()}-01234567-out*",
        tmp_path / f".part-[a]-{gone_process}-01234567-outer",
        tmp_path / f".part-a-{gone_process}-01234567-out*",
        tmp_path / ".part-[a]-mine-out*",
    ]
    for folder in (left, *kept):
        (folder / "inside").mkdir(parents=True)
    remove_leftovers(tmp_path, ".part-[a]-", "out*")
    remove_leftovers(tmp_path / "none", ".part-", "out")
    assert sorted(tmp_path.iterdir()) == sorted(kept)
