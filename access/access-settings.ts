// The settings of access, the same for every role, and what they open.

import { X509Certificate } from 'node:crypto';
import { option } from '../base/config.ts';
import type { SettingsOf } from '../base/config.ts';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Access } from './access.ts';
import { ClusterSecret, isNodeCertificate } from './cluster-secret.ts';

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
};

type AccessSettings = SettingsOf<typeof accessOptions>;

/** How this process decides, and what it shows to others. */
export interface OpenedAccess {
  /** Undefined: without --auth on. */
  readonly access: Access | undefined;
  /** The header or metadata of this name in what it sends; undefined: none. */
  readonly authorization: string | undefined;
}

/**
 * What the settings of a role name. `certificate` is its own in PEM, if others trust the authority of
 * --tls-ca. Throws INVALID_ARGUMENT, also if the process could not show others who it is.
 */
export function openAccess(
  { auth, clusterSecretFile }: AccessSettings,
  certificate: Buffer | undefined,
  log: Logger,
): OpenedAccess {
  if (auth === 'off') return { access: undefined, authorization: undefined };
  const secret = clusterSecretFile === '' ? undefined : ClusterSecret.read(clusterSecretFile, log);
  const own = certificate && new X509Certificate(certificate).toLegacyObject();
  const isNode = isNodeCertificate(own);
  if (secret === undefined && !isNode) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      'With --auth on the processes of a cluster show each other who they are: give all of them the same --cluster-secret-file, or --tls-ca and a certificate of `stele certs node`.',
    );
  }
  const access = new Access({ secret, trustsNodeCertificates: certificate !== undefined });
  return { access, authorization: secret?.authorization };
}
