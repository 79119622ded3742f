# Create one Job and print its name. $1 memory in MB, $2 minutes, $3 GPUs, $4 Snakemake's script, on the volume.
# Edit IMAGE (lthbench, snakemake) and CLAIM (ReadWriteMany; unit records are what makes a killed run resume).
set -eu
name=lthbench-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
kubectl create -f - >&2 <<MANIFEST
apiVersion: batch/v1
kind: Job
metadata:
  name: $name
  labels: {app: lthbench}
spec:
  backoffLimit: 0  # Snakemake retries, with more memory
  activeDeadlineSeconds: $((60 * $2))
  ttlSecondsAfterFinished: 86400
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: job
          image: IMAGE
          command: [sh, "$4"]
          workingDir: $PWD
          env:
            - {name: LTHBENCH_CACHE, value: /lthbench/cache}
            - {name: LTHBENCH_DATA, value: /lthbench/data}
          resources:
            requests: {cpu: "1", memory: "$1M", nvidia.com/gpu: "$3"}
            limits: {memory: "$1M", nvidia.com/gpu: "$3"}
          volumeMounts: [{name: shared, mountPath: /lthbench}]
      volumes: [{name: shared, persistentVolumeClaim: {claimName: CLAIM}}]
MANIFEST
echo "$name"
