import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { steleShared } from '../support/process/shared-process.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Runs `stele certs` in a folder of the test. */
function inFolder(): {
  folder: string;
  certs: (...words: string[]) => ReturnType<typeof steleShared>;
} {
  const folder = join(tempDir(), 'certs');
  return { folder, certs: (...words) => steleShared(['certs', ...words, '--dir', folder]) };
}

const certificate = (folder: string, name: string): X509Certificate =>
  new X509Certificate(readFileSync(join(folder, `${name}.crt`)));

describe('stele certs', () => {
  test('makes an authority, certificates of processes and of people, for their owner alone', async () => {
    const { folder, certs } = inFolder();
    expect((await certs('init')).stdout).toMatch(/ca[.]crt {2}for every process and every client/);
    const node = await certs('node', 'db1.example.com', '10.0.0.5', '::1', '--name', 'db1');
    expect(node.stdout).toMatch(
      /--tls-cert \S+db1[.]crt --tls-key \S+db1[.]key --tls-ca \S+ca[.]crt/,
    );
    expect((await certs('client', 'admin')).stdout).toMatch(/client[.]admin[.]key {2}its key/);
    expect(readdirSync(folder).sort()).toEqual(
      ['ca', 'client.admin', 'db1'].flatMap((name) => [`${name}.crt`, `${name}.key`]),
    );
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(folder)) {
      expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
    }
    const [ca, db1, admin] = ['ca', 'db1', 'client.admin'].map((name) => certificate(folder, name));
    expect(ca?.ca).toBe(true);
    expect(db1?.checkHost('db1.example.com')).toBe('db1.example.com');
    expect(db1?.checkIP('10.0.0.5')).toBe('10.0.0.5');
    expect(db1?.checkIP('::1')).toBe('::1');
    expect(admin?.subject).toBe('O=Stele\nCN=admin');
    for (const issued of [db1, admin]) {
      expect(issued?.ca).toBe(false);
      expect(ca !== undefined && issued?.verify(ca.publicKey)).toBe(true);
    }
  });

  test('replaces only with --renew, for the hosts of before', async () => {
    const { folder, certs } = inFolder();
    await certs('init');
    await certs('node', 'db1', '10.0.0.5', '--days', '30');
    const before = certificate(folder, 'node');
    for (const words of [['init'], ['node', 'db2']]) {
      const { code, stderr } = await certs(...words);
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/--renew/) });
    }
    await certs('node', '--renew');
    const after = certificate(folder, 'node');
    expect(after.serialNumber).not.toBe(before.serialNumber);
    expect(after.subjectAltName).toBe(before.subjectAltName);
    const daysOf = ({ validTo }: X509Certificate): number =>
      (Date.parse(validTo) - Date.now()) / 86_400_000;
    expect(daysOf(before)).toBeCloseTo(30, 1);
    expect(daysOf(after)).toBeCloseTo(365, 1);
  });

  test('a new authority signs while the old one is trusted, until it is dropped', async () => {
    const { folder, certs } = inFolder();
    await certs('init');
    const old = readFileSync(join(folder, 'ca.crt'), 'utf8');
    const { stdout } = await certs('init', '--renew');
    expect(stdout).toMatch(/then `stele certs init --drop-old`/);
    const both = readFileSync(join(folder, 'ca.crt'), 'utf8');
    expect(both).toMatch(/(?:BEGIN CERTIFICATE[^]*){2}/);
    expect(both.endsWith(old)).toBe(true);
    await certs('node', 'db1');
    expect(certificate(folder, 'node').checkIssued(certificate(folder, 'ca'))).toBe(true);
    await certs('init', '--drop-old');
    expect(`${readFileSync(join(folder, 'ca.crt'), 'utf8')}${old}`).toBe(both);
  });

  test.each([
    [['node'], /There is no certificate authority in .*; make one with `stele certs init`/],
    [['client', 'alice', 'bob'], /Use `stele certs init`/],
    [['client', 'node'], /'node' cannot be a user name here/],
    [['client', '../x'], /cannot be a user name/],
    [['node', '--name', '../x'], /cannot be a name of files/],
    [['node', 'a b'], /cannot be a host name/],
    [['nothing'], /Use `stele certs init`/],
  ])('%j is refused with one sentence', async (words, sentence) => {
    const { folder, certs } = inFolder();
    const { code, stderr, stdout } = await certs(...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(() => readdirSync(folder)).toThrow('ENOENT');
  });

  // Not even root may.
  test.runIf(existsSync('/proc/self'))('says so where it may not write', async () => {
    const { folder, certs } = inFolder();
    symlinkSync('/proc/self', folder);
    expect((await certs('init')).stderr).toMatch(/ca[.]key cannot be written: /);
  });
});
