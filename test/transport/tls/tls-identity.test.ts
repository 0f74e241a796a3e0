import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Issued } from '../../../cli/certs/issue.ts';
import { MetricSet } from '../../../base/process/metrics.ts';
import { TlsIdentity } from '../../../transport/tls/tls-identity.ts';
import { defineTlsMetrics, tlsText } from '../../../transport/tls/tls-report.ts';
import { roleTls } from '../../../transport/tls/open-tls.ts';
import { settingsOfSource, tlsSource } from '../../../transport/tls/tls-settings.ts';
import { newSource, newTestAuthority } from '../../support/peers/identities.ts';
import type { PemSource } from '../../support/peers/identities.ts';
import { tempDir } from '../../support/temp-dir.ts';

const NONE = { tls: 'auto', tlsCa: '', tlsCert: '', tlsKey: '' } as const;
let authority: Issued;

beforeAll(async () => {
  authority = await newTestAuthority();
});

/** Files with what `source` has, and their paths. */
function inFiles(source: PemSource): {
  paths: PemSource;
  readonly write: (more: Partial<PemSource>) => void;
} {
  const folder = tempDir();
  const paths = { ca: join(folder, 'ca'), cert: join(folder, 'cert'), key: join(folder, 'key') };
  const write = (texts: Partial<PemSource>): void => {
    for (const [name, text] of Object.entries(texts)) {
      writeFileSync(paths[name as keyof PemSource], text);
    }
  };
  write(source);
  return { paths, write };
}

it('new files are used once both certificate and key are there', async () => {
  const { paths, write } = inFiles(await newSource(authority));
  const identity = new TlsIdentity(paths);
  let changes = 0;
  identity.onChange(() => changes++);
  const { context } = identity;
  const { cert, key } = await newSource(authority);
  write({ cert });
  identity.look();
  expect(identity.context).toBe(context);
  expect(identity.fault).toBeUndefined();
  write({ key });
  identity.look();
  expect(identity.context).not.toBe(context);
  expect(changes).toBe(1);
  identity.look();
  expect(changes).toBe(1);
});

it.each([
  ['no PEM', () => Promise.resolve({ cert: 'nothing' })],
  ['another key', async () => ({ key: (await newSource(authority)).key })],
  ['half an authority', () => Promise.resolve({ ca: authority.cert.slice(0, 100) })],
  ['an expired certificate', () => newSource(authority, ['127.0.0.1'], -0.001)],
])('%s is reported, and the files before stay in use', async (_, broken) => {
  const good = await newSource(authority);
  const { paths, write } = inFiles(good);
  const identity = new TlsIdentity(paths);
  const { context } = identity;
  write(await broken());
  identity.look();
  expect(identity.fault).toBeUndefined();
  identity.look();
  expect(identity.fault).toMatch(/cannot be used/);
  expect(identity.context).toBe(context);
  const metrics = new MetricSet();
  defineTlsMetrics(metrics, identity);
  expect(await metrics.text()).toMatch(/^stele_tls_reload_failed 1$/m);
  expect(tlsText(identity)).toMatch(/^trouble: new certificates are not used, those before stay: /);
  write(good);
  identity.look();
  expect(identity.fault).toBeUndefined();
  expect(tlsText(identity)).toMatch(/^TLS: the certificate expires in 0 days$/);
});

it('files that are gone are a fault, and their return ends it', async () => {
  const good = await newSource(authority);
  const { paths, write } = inFiles(good);
  const identity = new TlsIdentity(paths);
  rmSync(paths.key);
  identity.look();
  identity.look();
  expect(identity.fault).toMatch(/--tls-key cannot be read: .*ENOENT/);
  write(good);
  identity.look();
  expect(identity.fault).toBeUndefined();
});

it('the time until the certificates expire is a metric', async () => {
  const identity = new TlsIdentity(await newSource(authority));
  const metrics = new MetricSet();
  defineTlsMetrics(metrics, identity);
  const text = await metrics.text();
  const secondsOf = (certificate: string): number =>
    Number(new RegExp(`expiry_seconds{certificate="${certificate}"} (.*)`).exec(text)?.[1]);
  expect(secondsOf('own')).toBeGreaterThan(86_000);
  expect(secondsOf('own')).toBeLessThan(86_500);
  expect(secondsOf('ca')).toBeGreaterThan(2 * 86_000);
});

it('the settings say whether there is TLS, and a role needs a certificate', async () => {
  const { ca, cert, key } = await newSource(authority);
  const given = { ...NONE, tlsCa: ca, tlsCert: cert, tlsKey: key };
  expect(tlsSource(NONE)).toBeUndefined();
  expect(tlsSource({ ...given, tls: 'off' })).toBeUndefined();
  expect(tlsSource({ ...NONE, tls: 'required' })).toEqual({});
  expect(tlsSource({ ...NONE, ...settingsOfSource({ ca, cert, key }) })).toEqual({ ca, cert, key });
  expect(roleTls(NONE)).toBeUndefined();
  expect(roleTls(given)?.hasCertificate).toBe(true);
  expect(() => roleTls({ ...NONE, tlsCa: ca })).toThrow(/give --tls-cert and --tls-key/);
  expect(() => roleTls({ ...NONE, tlsCert: cert })).toThrow(/one is missing/);
  expect(() => roleTls({ ...NONE, tlsCert: '/nowhere', tlsKey: '/nowhere' })).toThrow(
    /--tls-cert cannot be read: .*ENOENT/,
  );
});
