import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../cli/doctor/finding.ts';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../../support/peers/fake-master.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { stele } from '../run-stele.ts';

async function start(
  release: string | undefined,
): Promise<{ cluster: FakeCluster; words: string[] }> {
  const cluster = new FakeCluster();
  cluster.release = release;
  const { address } = await startFakeMaster(cluster);
  return { cluster, words: ['--master', address] };
}

describe('stele upgrade check', () => {
  it('has a line for each finding, and says whether to go on', async () => {
    const { words } = await start('0.0.9');
    const { code, stderr, stdout } = await stele(['upgrade', 'check', ...words]);
    expect(stdout).toMatch(/^ok +health +green, and every datanode serves$/m);
    expect(stdout).toMatch(/^ok +releases +this is \S+; 4 of 4 processes still run 0\.0\.9$/m);
    expect(stdout).toMatch(/^fail +shards +1 shard cannot be read/m);
    expect(stdout).toMatch(/^Do not replace processes by \S+ now\.$/m);
    expect([code, stderr]).toEqual([1, '']);
  });

  it('ends with 0 if nothing fails, and is for programs as well', async () => {
    const { cluster, words } = await start(undefined);
    cluster.listShards = async () => ({ shards: [] });
    const { code, stdout } = await stele(['upgrade', 'check', '-o', 'json', ...words]);
    const findings = JSON.parse(stdout) as Finding[];
    expect(findings.filter(({ level }) => level === 'fail')).toEqual([]);
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: 'releases',
        level: 'warn',
        text: expect.stringMatching(/^not known of master \S+, datanode datanode-0/) as string,
      }),
    );
    expect(code).toBe(0);
  });

  it('refuses a cluster that is newer, except with --back', async () => {
    const { cluster, words } = await start('99.0.0');
    cluster.listShards = async () => ({ shards: [] });
    const refused = await stele(['upgrade', 'check', ...words]);
    expect(refused.stdout).toMatch(/^fail +releases +newer than this one/m);
    expect(refused.code).toBe(1);
    expect((await stele(['upgrade', 'check', '--back', ...words])).code).toBe(0);
  });

  it('judges a stele.yaml instead of refusing it', async () => {
    const { words } = await start('0.0.9');
    const file = join(tempDir(), 'stele.yaml');
    writeFileSync(file, 'heartbeat-interval: 1s\nheartbeat-intervall: 1s\nshards: many\n');
    const { code, stdout } = await stele(['upgrade', 'check', '--config', file, ...words]);
    expect(stdout).toMatch(
      /^fail +settings .*'heartbeat-intervall', which this release does not know \(Did you mean/m,
    );
    expect(stdout).toMatch(/^fail +settings +shards: 'many' is not a whole number/m);
    expect(code).toBe(1);
  });

  it('fails without a cluster, and knows one action', async () => {
    const { code, stdout } = await stele(['upgrade', 'check', '--master', '127.0.0.1:1']);
    expect(stdout).toMatch(/^fail +master 127\.0\.0\.1:1/m);
    expect(code).toBe(1);
    const wrong = await stele(['upgrade', 'chekc']);
    expect(wrong.stderr).toMatch(/takes check, and not 'chekc' \(Did you mean check\?\)/);
    expect(wrong.code).toBe(2);
  });

  it('only says that no master leads while none does', async () => {
    const { cluster, words } = await start('0.0.9');
    cluster.loseLeader();
    const { stdout } = await stele(['upgrade', 'check', '-o', 'json', ...words]);
    const findings = JSON.parse(stdout) as Finding[];
    expect(findings.at(-1)).toMatchObject({
      check: 'health',
      level: 'fail',
      text: expect.stringMatching(/^no master leads/) as string,
    });
  });
});

describe('stele version --cluster', () => {
  it('lists every process, and says where one differs', async () => {
    const { words } = await start('0.0.9');
    const { code, stderr, stdout } = await stele(['version', '--cluster', ...words]);
    expect(stdout).toMatch(/^master 127\.0\.0\.1:8400 +0\.0\.9$/m);
    expect(stdout).toMatch(/^datanode datanode-2 +0\.0\.9$/m);
    expect(stderr).toMatch(/^stele: This is \S+; master 127\.0\.0\.1:8400 runs 0\.0\.9, /);
    expect(code).toBe(0);
  });

  it('is silent where all are the same, and knows nothing of a release that does not tell', async () => {
    const same = await start(STELE_VERSION);
    expect((await stele(['version', '--cluster', ...same.words])).stderr).toBe('');
    const { words } = await start(undefined);
    const { stderr, stdout } = await stele(['version', '--cluster', '-o', 'json', ...words]);
    const { cluster } = JSON.parse(stdout) as { cluster: object[] };
    expect(cluster[1]).toEqual({ role: 'datanode', name: 'datanode-0', release: null });
    expect(JSON.parse(stderr)).toMatchObject({
      notice: {
        message: expect.stringContaining('datanode-0 runs a release that does not tell') as string,
      },
    });
  });

  it('has its column in the wide listings, and its line in the description', async () => {
    const { words } = await start('0.0.9');
    for (const verb of ['nodes', 'masters']) {
      const { stdout } = await stele([verb, '-o', 'wide', ...words]);
      expect(stdout).toMatch(/RELEASE[^]* 0\.0\.9 /);
    }
    const { stdout } = await stele(['describe', 'node', 'datanode-0', ...words]);
    expect(stdout).toMatch(/^Release: +0\.0\.9$/m);
    const unknown = await start(undefined);
    expect((await stele(['nodes', '-o', 'wide', ...unknown.words])).stdout).toMatch(/ unknown /);
  });
});
