#!/bin/bash
# Runs the jobs of docs/cluster on a private Slurm of two nodes on this machine, and compares the store they fill with
# the one that a single process fills. Needs root and the programs of Debian's slurm-wlm and munge; leaves nothing behind.
#
#   scripts/try-slurm.sh BACKBONE DATA [TASKS]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -lt 2 ]; then sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; fi
for program in munged slurmctld slurmd sbatch; do
  command -v "$program" >/dev/null || { echo "$program is not installed: apt-get install slurm-wlm munge" >&2; exit 1; }
done
export BACKBONE=$(realpath "$1") DATA=$(realpath "$2")
tasks=${3:-5}

# Munge wants a folder that nobody else can write to on the whole way.
scratch=$(mktemp -d /var/tmp/try-slurm-XXXXXX)
chmod 755 "$scratch"
daemons=()
finish() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${daemons[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap finish EXIT
mkdir -p "$scratch"/{munge,state,spool-node1,spool-node2,bin,single,shared}
chmod 700 "$scratch/munge"

start() {
  "$@" >>"$scratch/daemons.log" 2>&1 &
  daemons+=($!)
}

head -c 1024 /dev/urandom >"$scratch/munge/key"
chmod 400 "$scratch/munge/key"
start munged --foreground --force --socket "$scratch/munge.socket" --key-file "$scratch/munge/key" \
  --pid-file "$scratch/munge/pid" --log-file "$scratch/munge/log" --seed-file "$scratch/munge/seed"

host=$(hostname -s)
base=$((20000 + RANDOM % 20000))
cat >"$scratch/slurm.conf" <<CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$base
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge.socket
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool-%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd-%n.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + 1)) CPUs=1 State=UNKNOWN
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((base + 2)) CPUs=1 State=UNKNOWN
PartitionName=all Nodes=node1,node2 Default=YES State=UP
CONF
echo "CgroupAutomount=no" >"$scratch/cgroup.conf"
export SLURM_CONF=$scratch/slurm.conf
start slurmctld -D -f "$SLURM_CONF"
for node in node1 node2; do start slurmd -D -N "$node" -f "$SLURM_CONF"; done

for _ in $(seq 60); do
  idle=$(sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | wc -l || true)
  [ "$idle" = 2 ] && break
  sleep 0.5
done
if [ "$idle" != 2 ]; then
  echo "The two nodes did not come up:" >&2
  tail -n 20 "$scratch"/*.log >&2
  exit 1
fi
sinfo --Node --long

printf '#!/bin/sh\nexec node "%s/dist/cli/index.js" "$@"\n' "$root" >"$scratch/bin/graft"
chmod 755 "$scratch/bin/graft"
export PATH="$scratch/bin:$PATH"
export CACHE=$scratch/shared/cache RUN=$scratch/shared/run

cache=$(sbatch --parsable --array=0-$((tasks - 1)) --output="$scratch/cache-%a.json" --error="$scratch/cache-%a.err" \
  "$root/docs/cluster/slurm-cache.sh")
sbatch --wait --dependency="afterany:$cache" --output="$scratch/train.json" --error="$scratch/train.err" \
  "$root/docs/cluster/slurm-train.sh" || { tail -n 20 "$scratch"/*.err "$scratch"/*.log >&2; exit 1; }

scontrol show job "$cache" --oneliner | grep -o ' NodeList=[a-z0-9]*' | sort | uniq -c | awk '{ print $1 " tasks on " substr($2, 10) }'
# What each task did, then: no row is missing, and each is the one that a single process computes.
read_json() { node -p "const r = JSON.parse(fs.readFileSync('$1')); $2"; }
sum=0
for ((i = 0; i < tasks; i++)); do
  if [ ! -s "$scratch/cache-$i.json" ]; then
    echo "Task $i left no report:" >&2
    cat "$scratch/cache-$i.err" >&2
    exit 1
  fi
  read_json "$scratch/cache-$i.json" '`part ${r.shard.index}/${r.shard.count}: ${r.examples} photos, ${r.computed} computed`'
  sum=$((sum + $(read_json "$scratch/cache-$i.json" r.computed)))
done
for cache in shared/cache single; do
  graft cache export --backbone "$BACKBONE" --data "$DATA" --cache "$scratch/$cache" --format npy \
    --out "$scratch/$cache-rows" --json >"$scratch/$cache.json"
done
alone=$(read_json "$scratch/single.json" r.cache.computed)
echo "the tasks computed $sum rows, one process $alone"
if [ "$sum" != "$alone" ]; then
  echo "The array left rows out or computed some twice." >&2
  exit 1
fi
cmp "$scratch"/{shared/cache,single}-rows/features.npy
cmp "$scratch"/{shared/cache,single}-rows/examples.csv
read_json "$scratch/train.json" '`trained on it: ${(100 * r.validation.accuracy).toFixed(1)} % of the validation part`'
echo "The two stores hold the same rows."
