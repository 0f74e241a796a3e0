// A disk that does not accept writes is detected and reported, by the outcome of segment writes and
// by a probe.

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { systemEnv } from '../../../base/env.ts';
import type { Env } from '../../../base/env.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { DiskHealth } from '../../../datanode/storage/disk-health.ts';
import { tempDir } from '../../support/temp-dir.ts';

function envWith(freeBytes: () => Promise<number>): Env {
  const statfs = async () => ({ bavail: await freeBytes(), bsize: 1 });
  return { ...systemEnv, files: { ...systemEnv.files, statfs } };
}

/** `freeBytes` is what the system reports. */
function openHealth(freeBytes?: () => Promise<number>): {
  health: DiskHealth;
  incoming: string;
  background: BackgroundTasks;
} {
  const background = new BackgroundTasks(silentLogger);
  const folder = tempDir();
  const incoming = join(folder, 'incoming');
  mkdirSync(incoming);
  return {
    background,
    incoming,
    health: new DiskHealth(folder, () => 100, background, freeBytes && envWith(freeBytes)),
  };
}

test('nothing is wrong with a disk that takes writes, and the probe leaves no file', async () => {
  const { background, health, incoming } = openHealth();
  expect(health.trouble(true, 0)).toBeUndefined();
  await background.settled();
  expect(health.trouble(true, 1)).toBeUndefined();
  expect(readdirSync(incoming)).toEqual([]);
});

test('no space, or a refusal a moment ago, is reported as full', async () => {
  const { background, health } = openHealth();
  expect(health.trouble(false, 0)).toEqual({ full: true, writeError: '' });
  expect(health.trouble(true, 0)).toBeUndefined();
  await background.settled();
  health.refused(1000);
  expect(health.trouble(true, 5999)).toEqual({ full: true, writeError: '' });
  expect(health.trouble(true, 6000)).toBeUndefined();
});

test('a probe detects a failing disk without any segment, and its recovery', async () => {
  const { background, health, incoming } = openHealth();
  rmSync(incoming, { recursive: true });
  health.trouble(true, 0);
  await background.settled();
  expect(health.trouble(true, 1)?.writeError).toMatch(/ENOENT/);
  mkdirSync(incoming);
  expect(health.trouble(true, 500)?.full).toBe(false);
  health.trouble(true, 1000);
  await background.settled();
  expect(health.trouble(true, 1001)).toBeUndefined();
});

test('a failed segment write is reported until something is written', async () => {
  const { health } = openHealth();
  await health.failed(new SteleError('IO', 'EIO: i/o error, write'));
  expect(health.trouble(true, 0)).toEqual({ full: false, writeError: 'EIO: i/o error, write' });
  health.wrote();
  expect(health.trouble(true, 1)).toBeUndefined();
  await health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.trouble(true, 2)).toEqual({ full: true, writeError: '' });
});

test('a probe that hangs counts as trouble', () => {
  const { health } = openHealth();
  // The disk is not awaited in this tick, so the probe is still in progress.
  expect(health.trouble(true, 0)).toBeUndefined();
  expect(health.trouble(true, 5000)?.writeError).toMatch(/has not/);
});

test('a disk that does not answer is trouble, and the last measurement is returned at once', async () => {
  let answers: Promise<number> = Promise.resolve(1000);
  const { health } = openHealth(() => answers);
  expect(await health.measure()).toBe(1000);
  answers = new Promise(() => undefined);
  expect(health.trouble(true, 0)).toBeUndefined();
  expect(health.trouble(true, 5000)?.writeError).toMatch(/has not answered/);
  expect(health.freeBytes).toBe(1000);
});

test('a disk whose free bytes cannot be read is trouble, until they can', async () => {
  let answer = (): Promise<number> => Promise.reject(new Error('ENOENT: no such file'));
  const { background, health } = openHealth(() => answer());
  await expect(health.measure()).rejects.toMatchObject({ code: 'IO' });
  expect(health.trouble(true, 0)?.writeError).toMatch(/ENOENT/);
  await background.settled();
  answer = () => Promise.resolve(7);
  health.trouble(true, 2000);
  await background.settled();
  expect(health.trouble(true, 2001)).toBeUndefined();
});

test('free bytes that the disk did not accept do not count, but bytes freed later do', async () => {
  let reported = 1000;
  const { health } = openHealth(() => Promise.resolve(reported));
  await health.measure();
  await health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.freeBytes).toBe(0);
  reported = 1300;
  expect(await health.measure()).toBe(300);
});

test('free bytes below the kept ones are not counted as overstated', async () => {
  const { health } = openHealth(() => Promise.resolve(100));
  await health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.freeBytes).toBe(100);
});
