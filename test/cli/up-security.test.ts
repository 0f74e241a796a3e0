import { X509Certificate } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CertificateFolder } from '../../cli/certs/certificate-folder.ts';
import { issue, newAuthority } from '../../cli/certs/issue.ts';
import { hints, securedSteps } from '../../cli/up/announcements.ts';
import { makeCertificates } from '../../cli/up/certificates.ts';
import { makeSecurity, planSecurity } from '../../cli/up/security.ts';
import type { SecuritySettings } from '../../cli/up/security.ts';
import { tempDir } from '../support/temp-dir.ts';

const plain: SecuritySettings = {
  secure: false,
  dataDir: '/data dir',
  host: '127.0.0.1',
  adminPasswordFile: '',
  announceHost: '',
  tls: 'auto',
  tlsCert: '',
  tlsKey: '',
  tlsCa: '',
  auth: 'off',
  clusterSecretFile: '',
  auditLog: '',
  metricsTokenFile: '',
  metricsOpen: false,
  insecure: false,
  jwtIssuer: '',
  jwtAudience: '',
  jwtJwks: '',
  jwtClaim: 'roles',
};

function plan(settings: Partial<SecuritySettings>, given: readonly string[] = []) {
  const names = Object.keys(plain);
  const sources = new Map(
    names.map((name) => [name, given.includes(name) ? 'flag' : 'default'] as const),
  );
  return planSecurity({ ...plain, ...settings }, sources);
}

describe('the security of stele up', () => {
  it('is nothing by default', () => {
    const { adminPasswordFile, masterWords, roleWords, tls } = plan({});
    expect({ adminPasswordFile, masterWords, roleWords, tls }).toEqual({
      adminPasswordFile: undefined,
      masterWords: [],
      roleWords: [],
      tls: undefined,
    });
  });

  it('gives all roles the files, and masters the password, with --secure', () => {
    const { masterWords, roleWords } = plan({ secure: true });
    expect(roleWords).toEqual([
      ...['--tls', 'required', '--tls-cert', '/data dir/certs/node.crt'],
      ...['--tls-key', '/data dir/certs/node.key', '--tls-ca', '/data dir/certs/ca.crt'],
      ...['--auth', 'on'],
    ]);
    expect(masterWords).toEqual(['--admin-password-file', '/data dir/admin-password']);
  });

  it('has a secret with --auth on, unless one is given', async () => {
    const dataDir = tempDir();
    const made = plan({ auth: 'on', dataDir });
    const file = join(dataDir, 'cluster-secret');
    expect(made.roleWords).toEqual(['--auth', 'on', '--cluster-secret-file', file]);
    await makeSecurity(made, () => undefined);
    const { mtimeMs, mode, size } = statSync(file);
    expect([mode & 0o777, size]).toEqual([0o600, 65]);
    await makeSecurity(made, () => undefined);
    expect(statSync(file).mtimeMs).toBe(mtimeMs);
    const given = plan({ auth: 'on', dataDir, clusterSecretFile: 'mine' });
    expect(given.roleWords).toEqual(['--auth', 'on']);
  });

  it('names the hosts under which the processes are dialled', () => {
    const own = ['localhost', '127.0.0.1', '::1', hostname()];
    expect(plan({}).hosts).toEqual(own);
    const announced = plan({ secure: true, host: '192.0.2.1', announceHost: 'db.example' });
    expect(announced.hosts).toEqual([...own, '192.0.2.1', 'db.example']);
  });

  it('is closed beyond loopback, and refuses contradictions', () => {
    expect(() => plan({ host: '0.0.0.0' })).toThrow(/--insecure/);
    plan({ host: '0.0.0.0', insecure: true });
    plan({ host: '0.0.0.0', secure: true });
    expect(() => plan({ secure: true, tlsCa: 'x' }, ['tlsCa'])).toThrow(/its own certificates/);
    expect(() => plan({ secure: true }, ['auth'])).toThrow(/leave out --tls off and --auth off/);
  });
});

describe('what is printed', () => {
  const masters = [{ host: '0.0.0.0', httpPort: 9000, respPort: 7379, grpcPort: 8400 }];

  it('can be copied, with every flag that is needed', () => {
    const steps = { masters, keyspace: 'geo', security: plan({ secure: true }) };
    const login = `--user admin --password-file '/data dir/admin-password'`;
    const ca = `--tls-ca '/data dir/certs/ca.crt'`;
    expect(securedSteps(steps).slice(1)).toEqual([
      `  stele status ${ca} ${login}`,
      `  stele load my-keyspace FILE ${ca} ${login}`,
      `  stele cli ${ca} ${login} -k geo`,
    ]);
    const several = [...masters, { ...masters[0], host: '0.0.0.0', grpcPort: 8500 }];
    const [, status] = securedSteps({ ...steps, masters: several as typeof masters });
    expect(status).toContain('--master 127.0.0.1:8400,127.0.0.1:8500 ');
  });

  it('is short without TLS and users', () => {
    const lines = hints({ masters, keyspace: undefined, security: plan({}) });
    expect(lines).toContain('  stele cli -k KEYSPACE');
    expect(lines).toContain('  redis-cli -p 7379');
    expect(lines).toContain('  curl http://127.0.0.1:9000/v1/keyspaces');
    expect(lines).toContain('  stele status');
  });
});

describe('the certificates of stele up --secure', () => {
  const read = (folder: CertificateFolder, name: string): string => folder.certificate(name) ?? '';
  const leftDays = (pem: string): number =>
    (Date.parse(new X509Certificate(pem).validTo) - Date.now()) / 86_400_000;

  it('are kept, also while the key of the authority is elsewhere', async () => {
    const folder = new CertificateFolder(join(tempDir(), 'certs'));
    const make = () => makeCertificates(folder.path, ['localhost', '::1']);
    expect(await make()).toHaveLength(1);
    const before = ['ca', 'node', 'client.admin'].map((name) => read(folder, name));
    rmSync(folder.files('ca').key);
    expect(await make()).toEqual([]);
    expect(['ca', 'node', 'client.admin'].map((name) => read(folder, name))).toEqual(before);
    await expect(makeCertificates(folder.path, ['another'])).rejects.toThrow(/no certificate auth/);
  });

  it('are renewed near their end, with the authority', async () => {
    const folder = new CertificateFolder(join(tempDir(), 'certs'));
    const old = await newAuthority(20);
    folder.writeAuthority(old, []);
    const hosts = ['localhost', 'db.example'];
    folder.write('node', await issue(old, { commonName: 'node', hosts, days: 10 }));
    const done = await makeCertificates(folder.path, ['localhost', '127.0.0.1']);
    expect(done).toEqual([expect.stringMatching(/has a successor; copy .*ca\.crt/)]);
    expect(folder.trusted()).toHaveLength(2);
    expect(leftDays(folder.trusted()[0] ?? '')).toBeGreaterThan(3_000);
    const node = new X509Certificate(read(folder, 'node'));
    expect(leftDays(read(folder, 'node'))).toBeGreaterThan(300);
    expect(node.checkIssued(new X509Certificate(folder.trusted()[0] ?? ''))).toBe(true);
    expect(node.subjectAltName).toBe('DNS:localhost, DNS:db.example, IP Address:127.0.0.1');
  });
});
