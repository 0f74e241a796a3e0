// The settings of access, the same for every role, and what they open.

import { X509Certificate } from 'node:crypto';
import { option } from '../base/config.ts';
import type { SettingsOf } from '../base/config.ts';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Access } from './access.ts';
import { MetricsDoor } from './metrics-door.ts';
import { ClusterSecret, isNodeCertificate } from './cluster-secret.ts';
import type { VerifyJwt } from './jwt.ts';

export const accessOptions = {
  auth: option.choice(
    'on: every port asks for a user or for the identity of the cluster; the same on all processes',
    ['on', 'off'],
    'off',
  ),
  clusterSecretFile: option.text(
    'file with the secret that the processes of the cluster show each other (mode 0600); not needed with certificates of `stele certs node`',
    '',
    { placeholder: 'FILE' },
  ),
  auditLog: option.text(
    'file, or stderr, that gets a line for each change and each refused attempt; SIGHUP opens it again',
    '',
    { placeholder: 'FILE' },
  ),
  metricsTokenFile: option.text(
    'file with a token that also opens /metrics (authorization: Bearer TOKEN), for --auth on',
    '',
    { placeholder: 'FILE' },
  ),
  metricsOpen: option.flag('/metrics asks nobody who they are, with --auth on'),
  insecure: option.flag(
    'may listen on other addresses than loopback without users: anyone who reaches them may do everything',
  ),
  jwtIssuer: option.text('who issues the JWTs that are accepted; without it none are', '', {
    placeholder: 'ISSUER',
  }),
  jwtAudience: option.text('the audience that a JWT must be for', '', { placeholder: 'AUDIENCE' }),
  jwtJwks: option.text('public keys of the issuer (a JWKS): a file, or an https URL', '', {
    placeholder: 'FILE|URL',
  }),
  jwtClaim: option.text(
    'the claim of a JWT with the names of roles; a.b: b in the object a',
    'roles',
    { placeholder: 'NAME' },
  ),
};

export type AccessSettings = SettingsOf<typeof accessOptions>;

/** The settings of access among others. */
export function accessSettings(settings: AccessSettings): AccessSettings {
  const names = Object.keys(accessOptions) as (keyof AccessSettings)[];
  return Object.fromEntries(names.map((name) => [name, settings[name]])) as AccessSettings;
}

type OpenSettings = Pick<AccessSettings, 'auth' | 'clusterSecretFile'> &
  Partial<Pick<AccessSettings, 'metricsOpen' | 'metricsTokenFile'>>;

/** How this process decides, and what it shows to others. */
export interface OpenedAccess {
  /** Undefined: without --auth on. */
  readonly access: Access | undefined;
  /** The present header or metadata of this name in what it sends; undefined: none. */
  readonly authorization: (() => string) | undefined;
}

/** What other settings of a role give. */
export interface AccessParts {
  /** Its own certificate in PEM, if others trust the authority of --tls-ca. */
  readonly certificate?: Buffer | undefined;
  readonly verifyJwt?: VerifyJwt | undefined;
}

/**
 * What the settings of a role name. Throws INVALID_ARGUMENT, also if the process could not show
 * others who it is.
 */
export function openAccess(
  { auth, clusterSecretFile, metricsOpen = false, metricsTokenFile = '' }: OpenSettings,
  { certificate, verifyJwt }: AccessParts,
  log: Logger,
): OpenedAccess {
  if (auth === 'off') {
    if (metricsTokenFile === '') return { access: undefined, authorization: undefined };
    throw new SteleError(
      'INVALID_ARGUMENT',
      '--metrics-token-file has an effect only with --auth on: without users /metrics is open.',
    );
  }
  const secret = clusterSecretFile === '' ? undefined : ClusterSecret.read(clusterSecretFile, log);
  const own = certificate && new X509Certificate(certificate).toLegacyObject();
  if (secret === undefined && !isNodeCertificate(own)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      'With --auth on the processes of a cluster show each other who they are: give all of them the same --cluster-secret-file, or --tls-ca and a certificate of `stele certs node`.',
    );
  }
  const metrics = new MetricsDoor(metricsOpen, metricsTokenFile, log);
  const trustsCertificates = certificate !== undefined;
  const access = new Access({ secret, verifyJwt, trustsCertificates, metrics });
  return { access, authorization: secret && (() => secret.authorization) };
}
