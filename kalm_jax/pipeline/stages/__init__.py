"""The stages of a run, one file each: functions from files to files in the run's folder. None imports another."""
