// What the benchmarks share: processes that end with the benchmark, medians, Markdown tables.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const project = join(dirname(fileURLToPath(import.meta.url)), '..');
export const main = join(project, 'dist', 'cli', 'main.js');

const children = new Set();
const folders = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/** A folder that goes with the benchmark. */
export function tempFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'stele-bench-'));
  folders.add(folder);
  return folder;
}

/** Starts a process and resolves with it once `pattern` is in its stdout. */
export function start(command, args, pattern, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  children.add(child);
  child.printed = '';
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      child.printed += text;
      if (pattern.test(child.printed)) resolve(child);
    });
    child.once('exit', (code) => {
      children.delete(child);
      reject(new Error(`${command} ended with ${code}: ${child.printed}`));
    });
  });
}

export async function stop(child, signal = 'SIGTERM') {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

/** Runs a command to its end; returns stdout. */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (done.status !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${done.status}: ${done.stderr}`);
  }
  return done.stdout;
}

/** False, with a line that says so, where a program is missing. */
export function has(program, debianPackage) {
  if (spawnSync('which', [program]).status === 0) return true;
  console.log(`(${program} is missing, Debian package ${debianPackage}: left out)`);
  return false;
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The addresses that `stele up`, `stele master` and `stele datanode` print. */
export function addressesIn(text) {
  const line = /^(\S+(?: \S+)?) pid (\d+) http \S+:(\d+) resp \S+:(\d+) grpc \S+:(\d+)$/gm;
  return [...text.matchAll(line)].map(([, title, pid, http, resp, grpc]) => ({
    title,
    pid: Number(pid),
    http: Number(http),
    resp: Number(resp),
    grpc: Number(grpc),
  }));
}

/**
 * A cluster of `stele up` on free ports, ready: its process, and where its master (`at`: host:port of
 * gRPC) and datanodes listen.
 */
export async function startCluster(dataDir, flags = [], environment = {}) {
  const ports = ['--http-port', '0', '--resp-port', '0', '--grpc-port', '0'];
  const child = await start(
    process.execPath,
    [main, 'up', ...ports, '--data-dir', dataDir, ...flags],
    /^ready$/m,
    { env: { ...process.env, STELE_LOG_LEVEL: 'error', ...environment } },
  );
  const processes = addressesIn(child.printed);
  const master = processes.find(({ title }) => title === 'master');
  const datanodes = processes.filter(({ title }) => title.startsWith('datanode'));
  return { child, master: { ...master, at: `127.0.0.1:${master.grpc}` }, datanodes };
}

/** Resident bytes of a process, from the operating system. */
export function residentBytes(pid) {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return pages * 4096;
}

/** Seconds of CPU a process has used, from the operating system. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function machine() {
  const [cpu] = cpus();
  const gib = (totalmem() / 1024 ** 3).toFixed(0);
  return `${cpus().length} cores (${cpu?.model.trim()}), ${gib} GiB, Node.js ${process.version}`;
}
