// A folder of certificates: `ca.crt`, `ca.key`, and NAME.crt with NAME.key for each that was
// issued.
//
// `ca.crt` may hold several authorities, the newest first: it is what others trust, and while the
// authority is replaced they must trust both. `ca.key` belongs to the first. Every file has mode
// 0600, and is replaced as a whole.

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { Issued } from './issue.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;
const AUTHORITY = 'ca';

export class CertificateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The files of `name`. */
  files(name: string): { readonly cert: string; readonly key: string } {
    return { cert: join(this.path, `${name}.crt`), key: join(this.path, `${name}.key`) };
  }

  get authorityFile(): string {
    return this.files(AUTHORITY).cert;
  }

  has(name: string): boolean {
    const { cert, key } = this.files(name);
    return existsSync(cert) || existsSync(key);
  }

  get hasAuthority(): boolean {
    return this.has(AUTHORITY);
  }

  /** The certificate of `name`; undefined if there is none. */
  certificate(name: string): string | undefined {
    const { cert } = this.files(name);
    return existsSync(cert) ? read(cert) : undefined;
  }

  /** The authority that signs. Throws INVALID_ARGUMENT if there is none. */
  authority(): Issued {
    const { cert, key } = this.files(AUTHORITY);
    const [newest] = this.trusted();
    if (newest === undefined || !existsSync(key)) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `There is no certificate authority in ${this.path} (${cert} and ${key}); make one with \`stele certs init\`, or name its folder with --dir.`,
      );
    }
    return { cert: newest, key: read(key) };
  }

  /** The authorities that are trusted, newest first. */
  trusted(): string[] {
    return this.certificate(AUTHORITY)?.match(CERTIFICATE) ?? [];
  }

  write(name: string, { cert, key }: Issued): void {
    const files = this.files(name);
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    replace(files.key, key);
    replace(files.cert, cert);
  }

  /** Makes `authority` the one that signs; those in `alsoTrusted` stay trusted. */
  writeAuthority(authority: Issued, alsoTrusted: readonly string[]): void {
    this.write(AUTHORITY, { ...authority, cert: [authority.cert, ...alsoTrusted].join('') });
  }

  /** Leaves only the newest authority trusted. */
  dropOldAuthorities(): void {
    replace(this.authorityFile, this.authority().cert);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new SteleError('IO', `${path} cannot be read: ${toSteleError(thrown).message}.`, {
      cause: thrown,
    });
  }
}

function replace(path: string, text: string): void {
  const temporary = `${path}.new`;
  try {
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  } catch (thrown) {
    const code = systemErrorCode(thrown) === 'ENOSPC' ? 'DISK_FULL' : 'IO';
    throw new SteleError(code, `${path} cannot be written: ${toSteleError(thrown).message}.`, {
      cause: thrown,
    });
  }
}
