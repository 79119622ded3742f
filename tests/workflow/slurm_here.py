"""A Slurm for a test: one that answers already, else one of our own on loopback (slurmctld, two slurmd, munge).

Debian: `apt-get install --no-install-recommends slurm-wlm munge`. Ours needs root, because it writes
/etc/slurm/slurm.conf: the executor's job step takes SLURM_CONF out of the environment, so no other place is found.
Nodes have two GPUs that do not exist (their files are terminals). They end a job that takes more memory than it
asked for.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ETC = Path("/etc/slurm")
NODES = 2
CONF = """
ClusterName=lthbench
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5
MpiDefault=none
ReturnToService=2
MinJobAge=300
GresTypes=gpu
NodeName=DEFAULT CPUs=2 Gres=gpu:2 RealMemory={memory}
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[17001-{last}]
PartitionName=main Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE State=UP
"""
GRES = "Name=gpu File=/dev/tty[0-1] Flags=nvidia_gpu_env\n"


def idle() -> int:
    """How many nodes of a running Slurm wait for work; 0 where none answers."""
    if not shutil.which("sinfo"):
        return 0
    try:
        said = subprocess.run(["sinfo", "-h", "-N", "-t", "idle", "-o", "%N"], capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return 0
    return len(set(said.stdout.split()))


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """A Slurm that answers; skips where there is none and none can be started. Ours is stopped in the end."""
    if idle():
        yield
        return
    absent = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(name)]
    if absent:
        pytest.skip(f"no Slurm here: {', '.join(absent)} not installed")
    if os.geteuid() or (ETC / "slurm.conf").exists():
        pytest.skip("no running Slurm, and none is started where one is configured or without root")
    try:
        start(folder)
        yield
    finally:
        stop(folder)


def start(folder: Path) -> None:
    """Bring it up."""
    for name in ("state", "munge", *(f"spool.n{number}" for number in range(1, NODES + 1))):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o700)
    key = folder / "munge/key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 * 9 // 10 // NODES
    host, last = socket.gethostname().split(".")[0], 17000 + NODES
    ETC.mkdir(exist_ok=True)
    (ETC / "slurm.conf").write_text(CONF.format(host=host, folder=folder, nodes=NODES, last=last, memory=memory))
    (ETC / "gres.conf").write_text(GRES)
    munge = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    call("munged", "--force", *(f"--{option}={folder}/munge/{name}" for option, name in munge.items()))
    call("slurmctld")
    for number in range(1, NODES + 1):
        call("slurmd", "-N", f"n{number}")
    until = time.monotonic() + 60
    while idle() < NODES:
        assert time.monotonic() < until, (folder / "slurmctld.log").read_text()[-2000:]
        time.sleep(0.2)


def call(*command: str) -> None:
    """Start a daemon, which goes to the background."""
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)


def stop(folder: Path) -> None:
    """End our daemons, by the process ids they wrote, and take our configuration away."""
    if (ETC / "slurm.conf").exists():
        subprocess.run(["scancel", "--full", "-u", "root"], timeout=30, check=False)
    for file in (*folder.glob("slurm*.pid"), folder / "munge/pid"):
        if file.exists():
            os.kill(int(file.read_text()), signal.SIGTERM)
    for name in ("slurm.conf", "gres.conf"):
        (ETC / name).unlink(missing_ok=True)
