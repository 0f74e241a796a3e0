// Certificates for tests, made by openssl: an authority, and what it signs.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** An authority whose files are in `folder`. */
export class Authority {
  readonly own: Certificate;
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    const own = this.#files('ca');
    openssl(
      'req',
      '-x509',
      ...newKey(own.keyFile),
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-out',
      own.certFile,
    );
    this.own = read(own);
  }

  /** `names`: subject alternative names such as `IP:127.0.0.1` and `DNS:localhost`. */
  issue(commonName: string, ...names: string[]): Certificate {
    const made = this.#files(commonName);
    const request = join(this.#folder, `${this.#name}-${commonName}.csr`);
    const extensions = join(this.#folder, `${this.#name}-${commonName}.ext`);
    writeFileSync(extensions, `subjectAltName=${names.join(',')}\n`);
    openssl('req', ...newKey(made.keyFile), '-subj', `/CN=${commonName}`, '-out', request);
    openssl(
      ...['x509', '-req', '-in', request, '-days', '2', '-CAcreateserial', '-extfile', extensions],
      ...['-CA', this.own.certFile, '-CAkey', this.own.keyFile, '-out', made.certFile],
    );
    return read(made);
  }

  #files(name: string): { certFile: string; keyFile: string } {
    const path = join(this.#folder, `${this.#name}-${name}`);
    return { certFile: `${path}.pem`, keyFile: `${path}.key` };
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file];
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

function read(files: { certFile: string; keyFile: string }): Certificate {
  return { ...files, cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) };
}
