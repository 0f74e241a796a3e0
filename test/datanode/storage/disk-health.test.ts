// A disk that does not take writes is known and told; what a segment met counts, and so does a probe.

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { SteleError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { DiskHealth } from '../../../datanode/storage/disk-health.ts';
import { tempDir } from '../../support/temp-dir.ts';

function openHealth(measureFree?: () => Promise<number>): {
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
    health: new DiskHealth(folder, () => 100, background, measureFree),
  };
}

test('nothing is wrong with a disk that takes writes, and the probe leaves nothing behind', async () => {
  const { background, health, incoming } = openHealth();
  expect(health.trouble(true, 0)).toBeUndefined();
  await background.settled();
  expect(health.trouble(true, 1)).toBeUndefined();
  expect(readdirSync(incoming)).toEqual([]);
});

test('no room, or a refusal a moment ago, is told as full', async () => {
  const { background, health } = openHealth();
  expect(health.trouble(false, 0)).toEqual({ full: true, writeError: '' });
  expect(health.trouble(true, 0)).toBeUndefined();
  await background.settled();
  health.refused(1000);
  expect(health.trouble(true, 5999)).toEqual({ full: true, writeError: '' });
  expect(health.trouble(true, 6000)).toBeUndefined();
});

test('a probe finds a disk that fails without any segment, and finds it well again', async () => {
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

test('what a segment met is told until something is written', async () => {
  const { health } = openHealth();
  await health.failed(new SteleError('IO', 'EIO: i/o error, write'));
  expect(health.trouble(true, 0)).toEqual({ full: false, writeError: 'EIO: i/o error, write' });
  health.wrote();
  expect(health.trouble(true, 1)).toBeUndefined();
  await health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.trouble(true, 2)).toEqual({ full: true, writeError: '' });
});

test('a probe that does not end is trouble itself', () => {
  const { health } = openHealth();
  // Nothing of the disk is waited for in this turn: the probe is still under way.
  expect(health.trouble(true, 0)).toBeUndefined();
  expect(health.trouble(true, 5000)?.writeError).toMatch(/has not/);
});

test('a disk that does not answer is trouble, and what was measured before is told at once', async () => {
  let answers: Promise<number> = Promise.resolve(1000);
  const { health } = openHealth(() => answers);
  expect(await health.measure()).toBe(1000);
  answers = new Promise(() => undefined);
  expect(health.trouble(true, 0)).toBeUndefined();
  expect(health.trouble(true, 5000)?.writeError).toMatch(/has not answered/);
  expect(health.freeBytes).toBe(1000);
});

test('a disk whose free bytes cannot be told is trouble, until they can', async () => {
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

test('of free bytes that the disk did not take nothing counts, but what is freed after that does', async () => {
  let told = 1000;
  const { health } = openHealth(() => Promise.resolve(told));
  await health.measure();
  await health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.freeBytes).toBe(0);
  told = 1300;
  expect(await health.measure()).toBe(300);
});

test('of free bytes that are less than what is kept it is not said that the disk did not take them', async () => {
  const { health } = openHealth(() => Promise.resolve(100));
  await health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.freeBytes).toBe(100);
});
