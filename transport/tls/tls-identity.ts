// Who a process is, and whom it trusts: a certificate, its key, and the authorities.
//
//     files --read--> checked --> context    each later handshake, of servers and of dials
//                        |
//                        +--> fault          new files that cannot be used; those before stay in use
//
// One object is made at the start of a role or a client, and passed to what listens and dials.
// Nothing is global, as one process may hold several clusters. Open connections go on with what
// they began with.

import { isIP } from 'node:net';
import type { ConnectionOptions, SecureContext, SecureContextOptions } from 'node:tls';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { checkTlsFiles, readTlsFiles, sameFiles } from './tls-files.ts';
import type { CheckedFiles, TlsFiles, TlsSource } from './tls-files.ts';

const LOOK_EVERY_MS = 1000;

export class TlsIdentity {
  /** Handshakes with the ports of this identity that failed; `secureServer` counts them. */
  failedHandshakes = 0;
  readonly #source: TlsSource;
  readonly #what: string;
  readonly #listeners = new Set<() => void>();
  #current: CheckedFiles;
  /** New files that were refused, or could not be read. */
  #refused: { readonly files: TlsFiles | undefined; readonly error: SteleError } | undefined;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Reads the files. Throws INVALID_ARGUMENT; `what` says what they are for. */
  constructor(source: TlsSource, what = 'TLS') {
    this.#source = source;
    this.#what = what;
    this.#current = checkTlsFiles(readTlsFiles(source), what);
  }

  get hasCertificate(): boolean {
    return this.#current.files.cert !== undefined;
  }

  /** In PEM. */
  get certificate(): Buffer | undefined {
    return this.#current.files.cert;
  }

  /** For the next handshake. */
  get context(): SecureContext {
    return this.#current.context;
  }

  /** What `context` is made of; for servers, which make their own. */
  get contextOptions(): SecureContextOptions {
    return this.#current.options;
  }

  /** Options of `tls.connect` for a connection to `host`, whose name the certificate must have. */
  dialOptions(host: string): ConnectionOptions {
    // An IP address is no server name (RFC 6066).
    return { host, servername: isIP(host) === 0 ? host : '', secureContext: this.context };
  }

  /** Why the present files are not used, but those before; undefined if they are used. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Milliseconds until the certificate, and the first of the authorities, expires. */
  expiresInMs(): { readonly cert: number | undefined; readonly ca: number | undefined } {
    const nowMs = Date.now();
    const { caExpiresMs, certExpiresMs } = this.#current;
    const left = (atMs: number | undefined) => (atMs === undefined ? undefined : atMs - nowMs);
    return { cert: left(certExpiresMs), ca: left(caExpiresMs) };
  }

  /** Calls `listener` when the files were replaced. Returns a function that ends this. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks for new files from now on, until `close`. Returns this object. */
  watch(log?: Logger, everyMs = LOOK_EVERY_MS): this {
    const { untimely } = this.#current;
    if (untimely !== undefined) log?.warn(`the certificate cannot be used by others: ${untimely}`);
    this.#timer ??= setInterval(() => this.look(log), everyMs).unref();
    return this;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  /**
   * Reads the files, and uses them if they are new. What cannot be used counts as a fault at the
   * second look: at the first, a certificate may be there whose key is just being written.
   */
  look(log?: Logger): void {
    let files: TlsFiles | undefined;
    try {
      files = readTlsFiles(this.#source);
      if (sameFiles(files, this.#current.files)) {
        this.#refused = undefined;
        this.#fault = undefined;
        return;
      }
      if (this.#refused?.files !== undefined && sameFiles(files, this.#refused.files)) {
        throw this.#refused.error;
      }
      this.#use(files, log);
    } catch (thrown) {
      this.#refuse(files, toSteleError(thrown), log);
    }
  }

  #use(files: TlsFiles, log: Logger | undefined): void {
    const checked = checkTlsFiles(files, this.#what);
    if (checked.untimely !== undefined) {
      const text = `The new certificate for ${this.#what} cannot be used: ${checked.untimely}.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
    this.#current = checked;
    this.#refused = undefined;
    this.#fault = undefined;
    log?.info({ expires: isoOf(checked.certExpiresMs) }, 'new certificates are in use');
    for (const listener of this.#listeners) listener();
  }

  #refuse(files: TlsFiles | undefined, error: SteleError, log: Logger | undefined): void {
    const isSecondLook = this.#refused?.error.message === error.message;
    this.#refused = { files, error };
    if (!isSecondLook || this.#fault === error.message) return;
    this.#fault = error.message;
    log?.error(
      { code: error.code },
      `new certificates are not used, those before stay: ${error.message}`,
    );
  }
}

function isoOf(atMs: number | undefined): string | undefined {
  return atMs === undefined ? undefined : new Date(atMs).toISOString();
}
