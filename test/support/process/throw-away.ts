// This machine's /etc, /usr and /var with changes that are gone at the end: a package can be
// installed for good, without a trace of it afterwards. Needs root and overlayfs.

import { spawnSync } from 'node:child_process';
import { skipping } from '../tools.ts';

/** A tmpfs takes what is written, and only the shell and its children see it. */
const SHADOWED = `
  set -e
  mount -t tmpfs tmpfs /mnt
  for name in etc usr var; do
    mkdir -p "/mnt/$name/upper" "/mnt/$name/work"
    mount -t overlay overlay -o "lowerdir=/$name,upperdir=/mnt/$name/upper,workdir=/mnt/$name/work" "/$name"
  done
  exec "$@"`;

/** Runs a shell script there, for at most five minutes. Both streams are in `output`. */
export function runThrownAway(script: string): { status: number | null; output: string } {
  const words = ['--mount', 'sh', '-c', SHADOWED, 'sh', 'sh', '-euc', `exec 2>&1; ${script}`];
  const { status, stderr, stdout } = spawnSync('unshare', words, {
    encoding: 'utf8',
    timeout: 300_000,
  });
  return { status, output: `${stdout}${stderr}` };
}

/** Whether this machine can do that; reports like hasTool. */
export function canThrowAway(): boolean {
  const { output, status } = runThrownAway('touch /etc/stele-throw-away');
  if (status !== 0) skipping(`/etc cannot be shadowed here (${output.trim()})`, 'run it as root');
  return status === 0;
}
