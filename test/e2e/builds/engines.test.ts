// The scripts of deploy/builds/ under the engines that they are for, with tasks that are killed
// while they run.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { buildFolder, CHUNKED } from '../../support/process/builds.ts';
import type { BuildFolder } from '../../support/process/builds.ts';
import { Slurm } from '../../support/process/slurm.ts';
import { PROJECT, SteleProcess, until } from '../../support/process/stele-process.ts';
import { hasLibrary, hasTool, pythonWith } from '../../support/tools.ts';

vi.setConfig({ testTimeout: 240_000 });

const ROWS = 10_000;
const TASKS = 3;
const STELE = join(PROJECT, 'dist', 'cli', 'main.js');
const SCRIPTS = join(PROJECT, 'deploy', 'builds');

/** The pid of the process that does a task of this build. */
function pidOf({ url }: BuildFolder, task: string): number | undefined {
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      const isNode = /\bnode$/.test(words[0] ?? '');
      if (isNode && words.includes(url) && words.includes(task)) return Number(name);
    } catch {
      // It has ended.
    }
  }
  return undefined;
}

/** Kills a task as soon as it runs; killed-tasks.test.ts has later moments. */
async function killTask(folder: BuildFolder, task: string): Promise<void> {
  await until(
    `task ${task}`,
    () => {
      const pid = pidOf(folder, task);
      if (pid === undefined) return false;
      process.kill(pid, 'SIGKILL');
      return true;
    },
    120_000,
    2,
  );
}

/** The last line that a merge of all shards prints has the digest of one load. */
async function expectMerged(folder: BuildFolder): Promise<void> {
  const { code, stdout } = await folder.build('--merge', '-o', 'json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout.trim())).toMatchObject({
    records: ROWS,
    tasks: TASKS,
    digest: await folder.loadDigest(),
  });
}

if (hasTool('parallel', 'parallel')) {
  test('GNU parallel: tasks that are killed run again, and the digest is that of one load', async () => {
    const folder = buildFolder(ROWS);
    const args = ['prices', folder.url, String(TASKS), folder.input, ...CHUNKED];
    const running = new SteleProcess(args, {
      command: [join(SCRIPTS, 'parallel.sh')],
      cwd: folder.folder,
      env: { STELE, JOBS: '2' },
    });
    await killTask(folder, `1/${TASKS}`);
    await killTask(folder, `3/${TASKS}`);
    const { code, stderr, stdout } = await running.finished();
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain(`digest    ${await folder.loadDigest()}`);
    expect(folder.stored(`tasks/${TASKS}`)).toHaveLength(TASKS);
  });
}

if (hasLibrary('slurmd', 'slurmd', ['-V'], 'slurm-wlm')) {
  test('a Slurm array, with a task that is killed, and one that runs twice', async () => {
    const folder = buildFolder(ROWS);
    const slurm = await Slurm.start(join(folder.folder, 'slurm'));
    const environment = { STELE, KEYSPACE: 'prices', URL: folder.url };
    const submit = (options: readonly string[], script: string, more: readonly string[] = []) =>
      slurm.run(
        'sbatch',
        ['--parsable', `--chdir=${folder.folder}`, ...options, join(SCRIPTS, script), ...more],
        { ...environment, TASKS: String(TASKS) },
      );
    const input = [folder.input, ...CHUNKED.slice(0, 2)];
    await submit([`--array=0-${TASKS - 1}`], 'slurm-task.sh', input);
    await killTask(folder, `1/${TASKS}`);
    await slurm.finished();
    expect(folder.stored(`tasks/${TASKS}`).some((name) => name.startsWith('1-'))).toBe(false);
    const again = await submit(['--array=1,2'], 'slurm-task.sh', input);
    await submit([`--dependency=afterok:${again}`, '--array=1-2'], 'slurm-merge.sh');
    await slurm.finished();
    expect(folder.stored(`tasks/${TASKS}`)).toHaveLength(TASKS);
    expect(folder.stored('merges')).toHaveLength(2);
    await expectMerged(folder);
  });
}

const python = pythonWith('distributed', 'python3-distributed');
if (python !== undefined) {
  test('Dask: a worker that is killed costs its tasks, which run again on another', async () => {
    const folder = buildFolder(ROWS);
    const options = { cwd: folder.folder, env: { STELE } };
    const daemon = (name: string, ...args: readonly string[]): SteleProcess => {
      const command = [python, '-m', `distributed.cli.dask_${name}`];
      const started = new SteleProcess(args, { ...options, command });
      onTestFinished(() => void started.kill('SIGKILL'));
      return started;
    };
    const common = ['--host', '127.0.0.1', '--no-dashboard'];
    const scheduler = daemon('scheduler', ...common, '--port', '0');
    const address = /Scheduler at:\s+(tcp:\S+)/;
    await until('the scheduler', () => address.test(scheduler.stderr), 60_000);
    const [, where = ''] = address.exec(scheduler.stderr) ?? [];
    const workers = [1, 2].map(() =>
      daemon('worker', where, ...common, '--no-nanny', '--nthreads', '1'),
    );
    const args = [where, 'prices', folder.url, String(TASKS), folder.input, ...CHUNKED];
    const command = [python, join(SCRIPTS, 'dask_build.py')];
    const running = new SteleProcess(args, { ...options, command });
    await killTask(folder, `2/${TASKS}`);
    workers[0]?.child.kill('SIGKILL');
    const { code, stderr, stdout } = await running.finished();
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout.match(/"already_done"/g)).toHaveLength(2 * TASKS);
    expect(folder.stored(`tasks/${TASKS}`)).toHaveLength(TASKS);
    await expectMerged(folder);
  });
}
