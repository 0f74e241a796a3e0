// `stele up --secure` and `--auth on`: what they make and print, what a second start keeps, and
// that the printed commands work as they are.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CertificateFolder } from '../../../cli/certs/certificate-folder.ts';
import { issue } from '../../../cli/certs/issue.ts';
import { ANY_PORTS, SteleProcess, flags, stele } from '../../support/process/stele-process.ts';
import { hasLibrary, hasTool, runTool } from '../../support/tools.ts';

const SMALL = flags({ datanodes: 1, replication: 1, shards: 8 });
const folder = mkdtempSync(join(tmpdir(), 'stele-secured-'));
const rows = join(folder, 'rows.data');

beforeAll(() => {
  writeFileSync(rows, 'a 1\nb 2\n');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function up(dataDir: string, ...more: string[]): Promise<SteleProcess> {
  const started = new SteleProcess([
    ...['up', '--data-dir', dataDir, ...ANY_PORTS, ...SMALL],
    ...more,
  ]);
  onTestFinished(() => void started.kill());
  await started.printed(/^ready$/m, 60_000);
  return started;
}

/** The words of the printed commands, by verb. */
function steps({ stdout }: SteleProcess): Record<'status' | 'load' | 'cli', string[]> {
  const found = [...stdout.matchAll(/^ {2}stele (\w+) (.*)$/gm)];
  expect(found.map((match) => match[1])).toEqual(['status', 'load', 'cli']);
  const [status = [], load = [], cli = []] = found.map((match) => {
    return [match[1] ?? '', ...(match[2] ?? '').split(' ')];
  });
  return { status, load, cli };
}

function contents(dataDir: string): Record<string, string> {
  const names = ['ca.crt', 'ca.key', 'client.admin.crt', 'client.admin.key', 'node.crt'];
  const files = [...names.map((name) => join('certs', name)), 'certs/node.key', 'admin-password'];
  return Object.fromEntries(
    files.map((name) => {
      const path = join(dataDir, name);
      expect([name, statSync(path).mode & 0o777]).toEqual([name, 0o600]);
      return [name, readFileSync(path, 'utf8')];
    }),
  );
}

async function works(process: SteleProcess): Promise<void> {
  const { cli, load, status } = steps(process);
  const answers = await Promise.all([
    stele(status),
    stele(load.map((word) => (word === 'FILE' ? rows : word))),
    stele([...cli, 'GET', 'b']),
  ]);
  const codes = answers.map(({ code, stderr }) => ({ code, stderr }));
  expect(codes).toEqual(Array.from({ length: 3 }, () => ({ code: 0, stderr: '' })));
  expect(answers[0].stdout).toMatch(/^status +green$/m);
  expect(answers[2].stdout).toBe('2\n');
}

describe('stele up --secure', () => {
  test('makes everything once, and what it prints works', async () => {
    const dataDir = join(folder, 'one');
    const first = await up(dataDir, '--secure', '--load', `pairs=${rows}`);
    expect(first.stdout).toMatch(
      /^master pid .*\ndatanode node-0 pid .*\npairs: version 1, 2 keys/,
    );
    await works(first);
    const { status } = steps(first);
    const master = status[status.indexOf('--master') + 1] ?? '';
    const ca = join(dataDir, 'certs', 'ca.crt');
    expect(await stele(['status', '--master', master])).toMatchObject({ code: 4 });
    expect(await stele(['status', '--master', master, '--tls-ca', ca])).toMatchObject({ code: 5 });
    const made = contents(dataDir);
    const node = new X509Certificate(made['certs/node.crt'] ?? '');
    expect(node.subjectAltName).toMatch(/DNS:localhost, IP Address:127.0.0.1, IP Address:0:0/);
    await first.kill('SIGTERM');

    // Near its end, and with a host of its own.
    const certs = new CertificateFolder(join(dataDir, 'certs'));
    const request = { commonName: 'node', hosts: ['localhost', 'db.example'], days: 5 };
    certs.write('node', await issue(certs.authority(), request));
    const second = await up(dataDir, '--secure', '--load', `pairs=${rows}`);
    await works(second);
    const kept = contents(dataDir);
    const { validTo, subjectAltName } = new X509Certificate(kept['certs/node.crt'] ?? '');
    expect(Date.parse(validTo) - Date.now()).toBeGreaterThan(300 * 86_400_000);
    expect(subjectAltName).toMatch(/db.example, .*IP Address:127.0.0.1/);
    const others = Object.keys(made).filter((name) => !name.startsWith('certs/node'));
    for (const name of others) expect([name, kept[name]]).toEqual([name, made[name]]);
  }, 120_000);

  test('works in one process, and on an address of other machines', async () => {
    const dataDir = join(folder, 'in-process');
    const words = ['--secure', '--in-process', '--host', '0.0.0.0', '--load', `default=${rows}`];
    const process = await up(dataDir, ...words);
    expect(process.stdout).toMatch(/^master pid \d+ http 0\.0\.0\.0:/);
    await works(process);
    expect(process.stderr).not.toMatch(/insecure/);
  }, 120_000);

  test.runIf(
    hasTool('etcd', 'etcd-server') && hasLibrary('etcdctl', 'etcdctl', ['version'], 'etcd-client'),
  )(
    'secures the etcd of several masters',
    async () => {
      const dataDir = join(folder, 'several');
      const process = await up(dataDir, '--secure', '--masters', '2', '--load', `default=${rows}`);
      await works(process);
      const [, endpoint = ''] = / clients (https:\/\/\S+)$/m.exec(process.stdout) ?? [];
      const certs = (name: string): string => join(dataDir, 'certs', name);
      const ask = (name: string): Promise<string> =>
        runTool('etcdctl', [
          ...['--endpoints', endpoint, '--cacert', certs('ca.crt'), '--command-timeout', '3s'],
          ...(name === '' ? [] : ['--cert', certs(`${name}.crt`), '--key', certs(`${name}.key`)]),
          ...['get', '--prefix', '/stele/', '--keys-only'],
        ]).catch(String);
      expect(await ask('node')).toMatch(/^\/stele\/default\//m);
      // Neither strangers nor users, whose certificates are of the same authority.
      for (const name of ['', 'client.admin']) expect(await ask(name)).not.toMatch(/^\/stele/m);
      await process.kill('SIGTERM');
      const open = await stele(['up', '--data-dir', dataDir, ...ANY_PORTS, ...SMALL]);
      expect(open.code).toBe(2);
      expect(open.stderr).toMatch(/was made with --secure; start it with --secure/);
    },
    120_000,
  );

  test.each([
    [['--tls-cert', 'x.crt', '--tls-key', 'x.key'], /--secure makes its own certificates/],
    [['--auth', 'off'], /--secure switches on TLS and users/],
    [['--tls', 'off'], /--secure switches on TLS and users/],
  ])('refuses %j', async (words, sentence) => {
    const dataDir = join(folder, 'refused');
    const { code, stderr } = await stele(['up', '--secure', '--data-dir', dataDir, ...words]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(sentence) });
    expect(existsSync(dataDir)).toBe(false);
  });
});

test.each([[[]], [['--in-process']]])(
  'stele up --auth on %j makes the secret of its processes and loads',
  async (more) => {
    const dataDir = join(folder, `users${more.length}`);
    const process = await up(dataDir, '--auth', 'on', '--load', `pairs=${rows}`, ...more);
    const [master] = process.addresses();
    const to = flags({ master: `127.0.0.1:${master?.grpc}` });
    expect(await stele(['keyspaces', ...to])).toMatchObject({ code: 5 });
    const admin = flags({ user: 'admin', 'password-file': join(dataDir, 'admin-password') });
    const listed = await stele(['keyspaces', ...to, ...admin]);
    expect(listed.stdout).toMatch(/^pairs /m);
    expect(statSync(join(dataDir, 'cluster-secret')).mode & 0o777).toBe(0o600);
    await process.kill('SIGTERM');
    await up(dataDir, '--auth', 'on', ...more);
  },
  120_000,
);
