// What the processes of a cluster show each other: a secret that all of them have in a file, or,
// with TLS, a certificate that `stele certs node` made.
//
// The file has one secret a line. The first is shown, each is accepted, and the file is read again
// when it has changed, so that a secret can be replaced without a moment in which some refuse
// others (docs/security.md).

import { createHash, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import { ReloadedFile } from '../base/disk/reloaded-file.ts';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

const SECRET_CHARACTERS_MIN = 16;
/** The name of the header's scheme: `authorization: Cluster <secret>`. */
const SCHEME = 'Cluster ';
const OTHERS = 0o077;
/**
 * Of a file of root: its group may read it, which is how Kubernetes hands a secret to a process.
 */
const OTHERS_OF_ROOT = 0o037;
/** The extended key usage of a server (RFC 5280, 4.2.1.12). */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** The subject of a certificate; node:tls gives a list if a part occurs several times. */
interface CertificateSubject {
  readonly O?: string | readonly string[];
  readonly CN?: string | readonly string[];
}

export interface PeerCertificate {
  readonly subject?: CertificateSubject;
  /** Object identifiers of its extended key usages. */
  readonly ext_key_usage?: readonly string[];
}

/**
 * Whether a certificate of a trusted authority is one of `stele certs node`. One of a client is
 * not, whatever its name: it is not for servers.
 */
export function isNodeCertificate(certificate: PeerCertificate | undefined): boolean {
  const { ext_key_usage: usages, subject } = certificate ?? {};
  return subject?.CN === 'node' && subject.O === 'Stele' && usages?.includes(SERVER_AUTH) === true;
}

interface Secrets {
  /** The value of the header `authorization` that shows the first. */
  readonly authorization: string;
  readonly digests: readonly Buffer[];
}

export class ClusterSecret {
  readonly #secrets: { readonly content: Secrets };

  /** Throws INVALID_ARGUMENT for a secret that is too short, or has spaces in it. */
  constructor(secrets: readonly string[] | ReloadedFile<Secrets>) {
    this.#secrets = secrets instanceof ReloadedFile ? secrets : { content: secretsOf(secrets) };
  }

  /** The secrets in a file. Throws INVALID_ARGUMENT; warns of a file that others can read. */
  static read(path: string, log: Logger): ClusterSecret {
    const parse = (text: string): Secrets => {
      const lines = text.split('\n').map((line) => line.trim());
      const secrets = secretsOf(lines.filter((line) => line !== ''));
      const { mode, uid } = statSync(path);
      if ((mode & (uid === 0 ? OTHERS_OF_ROOT : OTHERS)) !== 0) {
        log.warn({ file: path }, 'others can read the cluster secret; make its file mode 0600');
      }
      return secrets;
    };
    return new ClusterSecret(new ReloadedFile({ path, what: '--cluster-secret-file', parse, log }));
  }

  /** The value of the header `authorization` that shows it. */
  get authorization(): string {
    return this.#secrets.content.authorization;
  }

  /**
   * Whether a header `authorization` shows one of the secrets. Takes the same time for every
   * header.
   */
  isShownBy(authorization: string): boolean {
    const shown = digestOf(authorization);
    let isEqual = false;
    for (const digest of this.#secrets.content.digests) {
      isEqual = timingSafeEqual(digest, shown) || isEqual;
    }
    return isEqual;
  }
}

function secretsOf(secrets: readonly string[]): Secrets {
  const isUsable = (secret: string): boolean =>
    secret.length >= SECRET_CHARACTERS_MIN && /^[!-~]+$/.test(secret);
  if (secrets.length === 0 || !secrets.every(isUsable)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The file of --cluster-secret-file has one secret a line, each of at least ${SECRET_CHARACTERS_MIN} letters, digits or signs, without spaces; \`openssl rand -hex 32\` makes one.`,
    );
  }
  return {
    authorization: `${SCHEME}${secrets[0] ?? ''}`,
    digests: secrets.map((secret) => digestOf(`${SCHEME}${secret}`)),
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
