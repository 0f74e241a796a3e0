// The container image: built from the Dockerfile, and run as a container engine does, with a
// read-only root.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { buildImage, dataFolder } from '../../support/process/image.ts';
import type { Image } from '../../support/process/image.ts';
import { Network } from '../../support/process/namespaces.ts';
import { SteleProcess, childrenOf, flags, until } from '../../support/process/stele-process.ts';
import { hasTool } from '../../support/tools.ts';

/** All containers share one network, in which the default ports are free. */
const NET = 'containers';
const network = hasTool('buildah', 'buildah') ? Network.make([NET]) : undefined;
const folder = mkdtempSync(join(tmpdir(), 'stele-containers-'));
let image: Image;

beforeAll(() => {
  if (network !== undefined) image = buildImage();
}, 900_000);

afterAll(() => {
  image?.remove();
  network?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** One that is not started with the entry point has `words` as its program. */
function container(data: string, words: readonly string[]): SteleProcess {
  const within = [...(network?.placeOf(NET).within ?? []), ...image.within(data)];
  const started = new SteleProcess([], { within, command: words });
  onTestFinished(() => void started.kill());
  return started;
}

function steleIn(data: string, ...words: string[]): SteleProcess {
  return container(data, [...image.config.Entrypoint, ...words]);
}

async function isHealthy(data: string): Promise<boolean> {
  const [, ...check] = image.config.Healthcheck.Test;
  return (await container(data, check).finished()).code === 0;
}

/** As `docker stop` does: the signal of the image, to process 1. */
async function stop(running: SteleProcess): Promise<number | null> {
  const [first = 0] = childrenOf(running.pid);
  process.kill(first, image.config.StopSignal);
  return (await running.finished()).code;
}

describe.skipIf(network === undefined)('the image', () => {
  test('runs as a numbered user, with an entry point that gets signals itself, and is checked by node', () => {
    const { config } = image;
    expect(config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(config.Entrypoint[0]).toBe('node');
    expect(config.Cmd).toEqual(['--help']);
    expect(config.Healthcheck.Test.slice(0, 2)).toEqual(['CMD', 'node']);
    expect(Object.keys(config.Volumes)).toEqual([config.WorkingDir]);
  });

  test('has the command in the path, and neither source nor compiler', async () => {
    const data = dataFolder(join(folder, 'look'), image.config);
    const version = await container(data, ['stele', '--version']).finished();
    expect(version).toMatchObject({ code: 0, stdout: '0.1.0\n' });
    const { stdout } = await container(data, ['ls', '/usr/lib/stele']).finished();
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['dist', 'node_modules', 'docs']));
    expect(stdout).not.toMatch(/^(?:test|master|tsconfig[.]json)$/m);
    const packages = await container(data, ['ls', '/usr/lib/stele/node_modules']).finished();
    expect(packages.stdout).not.toMatch(/^(?:typescript|vitest|vite)$/m);
  });

  test('a cluster of containers loads, answers, is healthy, ends at the signal, and keeps its data', async () => {
    const [masterData, nodeData] = ['master', 'node'].map((name) =>
      dataFolder(join(folder, name), image.config),
    ) as [string, string];
    expect(await isHealthy(masterData)).toBe(false);
    const start = async (): Promise<[SteleProcess, SteleProcess]> => {
      const master = steleIn(masterData, 'master');
      const node = steleIn(nodeData, 'datanode', ...flags({ id: 'node-0' }));
      await Promise.all([master, node].map((one) => one.printed(/ grpc \S+:\d+\n/)));
      return [master, node];
    };
    const [master, node] = await start();
    expect(await isHealthy(masterData)).toBe(true);
    const load = ['load', 'airports', '/usr/lib/stele/data/airports.csv'];
    const work = flags({ 'work-dir': '/var/lib/stele/work', 'min-replicas': 1 });
    expect(await steleIn(masterData, ...load, ...work).finished()).toMatchObject({ code: 0 });
    const get = ['cli', '-p', '7379', '-k', 'airports', 'GET', 'EDDB'];
    const before = await steleIn(masterData, ...get).finished();
    expect(before.stdout).toContain('Berlin');
    expect(await Promise.all([stop(master), stop(node)])).toEqual([0, 0]);
    const again = await start();
    await until('the same value', async () => {
      return (await steleIn(masterData, ...get).finished()).stdout === before.stdout;
    });
    await stop(again[0]);
    // The datanode alone is checked at its own port.
    expect(await isHealthy(nodeData)).toBe(true);
    expect(await stop(again[1])).toBe(0);
  }, 120_000);
});
