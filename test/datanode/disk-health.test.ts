// A disk that does not take writes is known and told; what a segment met counts, and so does a probe.

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BackgroundTasks } from '../../base/background.ts';
import { SteleError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { DiskHealth } from '../../datanode/disk-health.ts';
import { tempDir } from '../support/temp-dir.ts';

const background = new BackgroundTasks(silentLogger);

function openHealth(): { health: DiskHealth; folder: string } {
  const folder = join(tempDir(), 'incoming');
  mkdirSync(folder);
  return { folder, health: new DiskHealth(folder, background) };
}

test('nothing is wrong with a disk that takes writes, and the probe leaves nothing behind', async () => {
  const { folder, health } = openHealth();
  expect(health.trouble(true, 0)).toBeUndefined();
  await background.settled();
  expect(health.trouble(true, 1)).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test('no room, or a refusal a moment ago, is told as full', async () => {
  const { health } = openHealth();
  expect(health.trouble(false, 0)).toEqual({ full: true, writeError: '' });
  expect(health.trouble(true, 0)).toBeUndefined();
  await background.settled();
  health.refused(1000);
  expect(health.trouble(true, 5999)).toEqual({ full: true, writeError: '' });
  expect(health.trouble(true, 6000)).toBeUndefined();
});

test('a probe finds a disk that fails without any segment, and finds it well again', async () => {
  const { folder, health } = openHealth();
  rmSync(folder, { recursive: true });
  health.trouble(true, 0);
  await background.settled();
  expect(health.trouble(true, 1)?.writeError).toMatch(/ENOENT/);
  mkdirSync(folder);
  expect(health.trouble(true, 500)?.full).toBe(false);
  health.trouble(true, 1000);
  await background.settled();
  expect(health.trouble(true, 1001)).toBeUndefined();
});

test('what a segment met is told until something is written', () => {
  const { health } = openHealth();
  health.failed(new SteleError('IO', 'EIO: i/o error, write'));
  expect(health.trouble(true, 0)).toEqual({ full: false, writeError: 'EIO: i/o error, write' });
  health.wrote();
  expect(health.trouble(true, 1)).toBeUndefined();
  health.failed(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  expect(health.trouble(true, 2)).toEqual({ full: true, writeError: '' });
});

test('a probe that does not end is trouble itself', () => {
  const { health } = openHealth();
  // Nothing of the disk is waited for in this turn: the probe is still under way.
  expect(health.trouble(true, 0)).toBeUndefined();
  expect(health.trouble(true, 5000)?.writeError).toMatch(/has not ended/);
});
