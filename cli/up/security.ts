// How `stele up` secures its processes: what --secure and --auth on make in the data folder, and
// what they are given of it.
//
//   DATA-DIR/certs            --secure: an authority, and certificates for the processes and the administrator
//   DATA-DIR/cluster-secret   --auth on without --secure
//   DATA-DIR/admin-password   with users; the first master writes it
//
// What is there stays, so a second start has the same.

import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { accessSettings } from '../../access/access-settings.ts';
import type { AccessSettings } from '../../access/access-settings.ts';
import { ClusterSecret } from '../../access/cluster-secret.ts';
import { exposureOf } from '../../access/exposure.ts';
import { makeSecretFile, secretFileIn } from '../../access/new-secret.ts';
import { isLoopback, isWildcard } from '../../base/address.ts';
import type { SettingSource } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { ownAddresses } from '../../transport/host-address.ts';
import type { TlsSource } from '../../transport/tls/tls-files.ts';
import { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { tlsSource } from '../../transport/tls/tls-settings.ts';
import type { TlsSettings } from '../../transport/tls/tls-settings.ts';
import { flagWords } from './plan.ts';

export interface SecuritySettings extends TlsSettings, AccessSettings {
  readonly secure: boolean;
  readonly dataDir: string;
  readonly host: string;
  readonly adminPasswordFile: string;
  readonly announceHost: string;
}

export interface UpSecurity {
  readonly isSecure: boolean;
  /** What all processes are given; undefined: without TLS. */
  readonly tls: TlsSource | undefined;
  /** In force for all processes. */
  readonly access: AccessSettings;
  /** The file with the password of the user `admin`; undefined: without users. */
  readonly adminPasswordFile: string | undefined;
  /** Names and addresses for the certificate of the processes. */
  readonly hosts: readonly string[];
  readonly dataDir: string;
  /** Words for the command lines of all roles, and of masters. */
  readonly roleWords: readonly string[];
  readonly masterWords: readonly string[];
}

/** Makes nothing. Throws INVALID_ARGUMENT for settings that do not go together. */
export function planSecurity(
  settings: SecuritySettings,
  sources: ReadonlyMap<string, SettingSource>,
): UpSecurity {
  const { secure } = settings;
  if (secure) refuseContradictions(settings, sources);
  const dataDir = resolve(settings.dataDir);
  const auth = secure ? 'on' : settings.auth;
  exposureOf({ ...settings, auth });
  const hasUsers = auth === 'on';
  const makesSecret = hasUsers && !secure && settings.clusterSecretFile === '';
  const clusterSecretFile = makesSecret ? secretFileIn(dataDir) : settings.clusterSecretFile;
  const tls = secure ? filesIn(dataDir) : tlsSource(settings);
  const passwordFile = settings.adminPasswordFile || join(dataDir, 'admin-password');
  return {
    isSecure: secure,
    tls,
    access: { ...accessSettings(settings), auth, clusterSecretFile },
    adminPasswordFile: hasUsers ? passwordFile : undefined,
    hosts: hostsOf(settings),
    dataDir,
    roleWords: flagWords({
      ...(secure ? tlsFlags(filesIn(dataDir)) : {}),
      ...(hasUsers ? { auth } : {}),
      ...(makesSecret ? { 'cluster-secret-file': clusterSecretFile } : {}),
    }),
    masterWords: hasUsers ? flagWords({ 'admin-password-file': passwordFile }) : [],
  };
}

/**
 * Makes what is missing, in a data folder that is there. Passes what was made, in words, to
 * `report`.
 */
export async function makeSecurity(
  { access, dataDir, hosts, isSecure }: UpSecurity,
  report: (text: string) => void,
): Promise<void> {
  if (access.clusterSecretFile === secretFileIn(dataDir)) makeSecretFile(access.clusterSecretFile);
  if (!isSecure) return;
  const { makeCertificates } = await import('./certificates.ts');
  for (const text of await makeCertificates(certsIn(dataDir), hosts)) report(text);
}

/** How `stele up` itself shows that it belongs to the cluster. Call after `makeSecurity`. */
export function identityOf({ access, tls }: UpSecurity, log: Logger): DialIdentity {
  const hasSecret = access.auth === 'on' && access.clusterSecretFile !== '';
  const secret = hasSecret ? ClusterSecret.read(access.clusterSecretFile, log) : undefined;
  return {
    tls: tls && new TlsIdentity(tls),
    authorization: secret && (() => secret.authorization),
  };
}

function refuseContradictions(
  { auth, tls }: SecuritySettings,
  sources: ReadonlyMap<string, SettingSource>,
): void {
  const isGiven = (name: string): boolean => sources.get(name) !== 'default';
  if (['tlsCert', 'tlsKey', 'tlsCa'].some(isGiven)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      '--secure makes its own certificates; leave out --tls-cert, --tls-key and --tls-ca, or --secure.',
    );
  }
  if (tls === 'off' || (auth === 'off' && isGiven('auth'))) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      '--secure switches on TLS and users; leave out --tls off and --auth off, or --secure.',
    );
  }
}

function certsIn(dataDir: string): string {
  return join(dataDir, 'certs');
}

function filesIn(dataDir: string): Record<'ca' | 'cert' | 'key', string> {
  const file = (name: string): string => join(certsIn(dataDir), name);
  return { ca: file('ca.crt'), cert: file('node.crt'), key: file('node.key') };
}

function tlsFlags({ ca, cert, key }: Record<'ca' | 'cert' | 'key', string>) {
  return { tls: 'required', 'tls-cert': cert, 'tls-key': key, 'tls-ca': ca };
}

function hostsOf({ announceHost, host }: SecuritySettings): string[] {
  const own = isWildcard(host) ? ownAddresses(0) : isLoopback(host) ? [] : [host];
  const announced = announceHost === '' ? [] : [announceHost];
  return [...new Set(['localhost', '127.0.0.1', '::1', hostname(), ...own, ...announced])];
}
