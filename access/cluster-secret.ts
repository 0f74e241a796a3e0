// What the processes of a cluster show each other: a secret that all of them have in a file, or, with TLS, a
// certificate that `stele certs node` made.
//
// The file has one secret a line. The first is shown, each is accepted, so that a secret can be replaced
// without a moment in which some refuse others (docs/security.md).

import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

const SECRET_CHARACTERS_MIN = 16;
/** The name of the header's scheme: `authorization: Cluster <secret>`. */
const SCHEME = 'Cluster ';
const OTHERS = 0o077;

/** The subject of a certificate; node:tls gives a list if a part occurs several times. */
interface CertificateSubject {
  readonly O?: string | readonly string[];
  readonly CN?: string | readonly string[];
}

export interface PeerCertificate {
  readonly subject?: CertificateSubject;
}

/** Whether a certificate of a trusted authority is one of `stele certs node`. */
export function isNodeCertificate(certificate: PeerCertificate | undefined): boolean {
  return certificate?.subject?.CN === 'node' && certificate.subject.O === 'Stele';
}

export class ClusterSecret {
  /** The value of the header `authorization` that shows it. */
  readonly authorization: string;
  readonly #digests: readonly Buffer[];

  /** Throws INVALID_ARGUMENT for a secret that is too short, or has spaces in it. */
  constructor(secrets: readonly string[]) {
    const isUsable = (secret: string): boolean =>
      secret.length >= SECRET_CHARACTERS_MIN && /^[!-~]+$/.test(secret);
    if (secrets.length === 0 || !secrets.every(isUsable)) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `The file of --cluster-secret-file has one secret a line, each of at least ${SECRET_CHARACTERS_MIN} letters, digits or signs, without spaces; \`openssl rand -hex 32\` makes one.`,
      );
    }
    this.authorization = `${SCHEME}${secrets[0] ?? ''}`;
    this.#digests = secrets.map((secret) => digestOf(`${SCHEME}${secret}`));
  }

  /** Reads the secrets in a file. Throws INVALID_ARGUMENT; warns of a file that others can read. */
  static read(path: string, log: Logger): ClusterSecret {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
      if ((statSync(path).mode & OTHERS) !== 0) {
        log.warn({ file: path }, 'others can read the cluster secret; make its file mode 0600');
      }
    } catch (thrown) {
      const { message } = toSteleError(thrown);
      throw new SteleError(
        'INVALID_ARGUMENT',
        `--cluster-secret-file cannot be read: ${message}.`,
        { cause: thrown },
      );
    }
    const lines = text.split('\n').map((line) => line.trim());
    return new ClusterSecret(lines.filter((line) => line !== ''));
  }

  /** Whether a header `authorization` shows one of the secrets. Takes the same time for every header. */
  isShownBy(authorization: string): boolean {
    const shown = digestOf(authorization);
    let isEqual = false;
    for (const digest of this.#digests) isEqual = timingSafeEqual(digest, shown) || isEqual;
    return isEqual;
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
