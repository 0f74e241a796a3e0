// PEM files, read and checked.

import { X509Certificate, constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { SteleError, toSteleError } from '../../base/errors.ts';

/**
 * PEM, or the path of a PEM file. `key` belongs to `cert`, which may be followed by intermediate
 * certificates. Without `ca` the authorities of Node.js are trusted.
 */
export interface TlsSource {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

/** PEM. */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Files that were checked. */
export interface CheckedFiles {
  readonly files: TlsFiles;
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  /** When the certificate and the first of the authorities expire, in ms since 1970. */
  readonly certExpiresMs: number | undefined;
  readonly caExpiresMs: number | undefined;
  /** What is wrong with the time of the certificate now. */
  readonly untimely: string | undefined;
}

const PEM = '-----BEGIN ';
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** TLS 1.2 and 1.3, and no renegotiation. */
const RULES: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

/** Throws INVALID_ARGUMENT for a file that cannot be read. */
export function readTlsFiles(source: TlsSource): TlsFiles {
  const entries = Object.entries(source) as [keyof TlsSource, string | Buffer][];
  return Object.fromEntries(entries.map(([name, from]) => [name, pemOf(name, from)]));
}

export function sameFiles(left: TlsFiles, right: TlsFiles): boolean {
  return (['ca', 'cert', 'key'] as const).every((name) => {
    const [one, other] = [left[name], right[name]];
    return one === undefined || other === undefined ? one === other : one.equals(other);
  });
}

/** Throws INVALID_ARGUMENT if the files cannot be used; `what` names them in the message. */
export function checkTlsFiles(files: TlsFiles, what: string): CheckedFiles {
  try {
    const { ca, cert, key } = files;
    if ((cert === undefined) !== (key === undefined)) {
      throw new Error('a certificate and its key are needed, and one is missing');
    }
    const certificates = cert === undefined ? [] : certificatesIn(cert, 'the certificate file');
    const authorities = ca === undefined ? [] : certificatesIn(ca, 'the file of authorities');
    const options = { ...RULES, ...files };
    return {
      files,
      options,
      context: createSecureContext(options),
      certExpiresMs: earliestEnd(certificates.slice(0, 1)),
      caExpiresMs: earliestEnd(authorities),
      untimely: untimelinessOf(certificates[0]),
    };
  } catch (thrown) {
    const { message } = toSteleError(thrown);
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The certificates for ${what} cannot be used (${message}); give PEM, and a certificate with its key.`,
      { cause: thrown },
    );
  }
}

function pemOf(name: string, from: string | Buffer): Buffer {
  if (Buffer.isBuffer(from)) return from;
  if (from.includes(PEM)) return Buffer.from(from);
  try {
    return readFileSync(from);
  } catch (thrown) {
    const { message } = toSteleError(thrown);
    throw new SteleError('INVALID_ARGUMENT', `--tls-${name} cannot be read: ${message}.`, {
      cause: thrown,
    });
  }
}

/** Throws if there is none: Node.js ignores such a file. */
function certificatesIn(pem: Buffer, what: string): X509Certificate[] {
  const found = pem.toString('latin1').match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new Error(`${what} holds no certificate in PEM`);
  return found.map((text) => new X509Certificate(text));
}

function earliestEnd(certificates: readonly X509Certificate[]): number | undefined {
  if (certificates.length === 0) return undefined;
  return Math.min(...certificates.map(({ validTo }) => Date.parse(validTo)));
}

function untimelinessOf(certificate: X509Certificate | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  const { validFrom, validTo } = certificate;
  // Certificates are about the wall clock.
  const nowMs = Date.now();
  if (nowMs > Date.parse(validTo)) return `it expired on ${validTo}`;
  return nowMs < Date.parse(validFrom) ? `it is valid only from ${validFrom}` : undefined;
}
