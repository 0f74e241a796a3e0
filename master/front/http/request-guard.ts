// Decides which requests the HTTP port accepts: those of programs, and of pages of its own origin.
// A browser lets any web page send simple requests to any address. Without this check, a page that
// an operator happens to visit could suspend or roll back a keyspace of a cluster in the operator's
// network.
//
//   changes   a browser sends the origin of a request (Origin, Sec-Fetch-Site). Any method but GET or HEAD
//             from another origin is refused. Programs send neither header. A browser that sends neither (an old
//             one) has to send what a page of another origin cannot without asking first: JSON, or the header
//             X-Requested-With.
//   reads     a page cannot read a response from another origin, unless its own host name resolves to this
//             address (DNS rebinding). The Host header is then that name, so only known names are accepted:
//             localhost, the name of this machine, the listening name, or a configured one. An IP address
//             cannot be rebound. On an address other than loopback, programs use names that nobody has
//             listed (a Kubernetes service): there only browsers are restricted to known names.
//
// The syntax checks that Node.js omits (RFC 9112: one Host, no transfer coding but chunked) are
// here, too.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isLoopback } from '../../../base/address.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { missingHost } from '../../../base/problem.ts';

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Number of accepted Host headers to cache. */
const REMEMBERED_MAX = 1000;
const ADVICE =
  'start the master with --http-allowed-hosts NAME to allow it (docs/operations.md, network)';

export interface GuardOptions {
  /** The listening address. */
  readonly host: string;
  /** Additional names: `stele.example.com`, `.example.com` for all subdomains, `*` for any. */
  readonly allowedHosts: readonly string[];
}

/** An error, and the HTTP status if it differs from the one of its code. */
export interface Refusal {
  readonly error: SteleError;
  readonly status?: number;
}

/**
 * Returns a function that gives the reason for refusing a request, with its raw URL; undefined if
 * the request is accepted. It is cheap, because it runs for every read.
 */
export function requestGuard(
  options: GuardOptions,
): (request: IncomingMessage, url: string) => Refusal | undefined {
  const names = new HostNames(options);
  return (request, url) => formRefusal(request, url) ?? originRefusal(request, names);
}

function formRefusal(request: IncomingMessage, url: string): Refusal | undefined {
  const { headers, rawHeaders } = request;
  const unnamed = missingHost(request);
  if (unnamed !== undefined) return { error: unnamed };
  if (url.includes('#')) {
    return invalid('A # is not allowed in the URL of a request; percent-encode it as %23.');
  }
  if (countHosts(rawHeaders) > 1) return invalid('The request has more than one Host header.');
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') {
    const text = `The transfer coding '${shorten(transfer)}' is not supported; send the body chunked.`;
    return { error: new SteleError('UNSUPPORTED', text) };
  }
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    const text = `A body with content-encoding '${shorten(coding)}' is not read; send it uncompressed.`;
    return { error: new SteleError('INVALID_ARGUMENT', text), status: 415 };
  }
  return undefined;
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count++;
  }
  return count;
}

function originRefusal(request: IncomingMessage, names: HostNames): Refusal | undefined {
  const { headers, method = 'GET' } = request;
  const { host, origin } = headers;
  if (host !== undefined && !names.allows(host) && (names.isStrict || isBrowser(request))) {
    return forbidden(`The host name '${shorten(host)}' is not known here; ${ADVICE}.`);
  }
  if (READS.has(method)) return undefined;
  if (origin !== undefined && !isOwnOrigin(origin, host, names)) {
    return forbidden(`A web page of '${shorten(origin)}' may not change anything here; ${ADVICE}.`);
  }
  const site = headers['sec-fetch-site'];
  if (origin === undefined && (site === 'cross-site' || site === 'same-site')) {
    return forbidden(`A web page of another site may not change anything here; ${ADVICE}.`);
  }
  const isUnsaid = origin === undefined && site === undefined;
  if (isUnsaid && isBrowser(request) && !isPreflighted(request)) {
    return forbidden(
      'A browser that does not say which page wants a change has to send it as JSON (content-type: application/json), or with the header X-Requested-With.',
    );
  }
  return undefined;
}

function isOwnOrigin(origin: string, host: string | undefined, names: HostNames): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  const withPort = url.port === '' ? [url.host, `${url.host}:80`, `${url.host}:443`] : [url.host];
  return withPort.includes(host?.toLowerCase() ?? '') || names.isConfigured(url.hostname);
}

/** Whether a browser would ask first before it sent this for a page of another origin. */
function isPreflighted({ headers, method = '' }: IncomingMessage): boolean {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  return (
    method !== 'POST' || type === 'application/json' || headers['x-requested-with'] !== undefined
  );
}

/** Browsers send at least one of these headers; a page cannot suppress all of them. */
function isBrowser({ headers }: IncomingMessage): boolean {
  return (
    headers.origin !== undefined ||
    headers.referer !== undefined ||
    headers['sec-fetch-site'] !== undefined ||
    headers['user-agent']?.startsWith('Mozilla/') === true
  );
}

class HostNames {
  /** Whether unknown names are refused for all clients, not only for browsers. */
  readonly isStrict: boolean;
  readonly #known: ReadonlySet<string>;
  readonly #configured: readonly string[];
  readonly #isAny: boolean;
  readonly #remembered = new Set<string>();

  constructor({ allowedHosts, host }: GuardOptions) {
    const own = hostname().toLowerCase();
    const configured = allowedHosts.map((name) => name.trim().toLowerCase());
    this.#known = new Set(['localhost', own, own.split('.')[0] ?? own, host.toLowerCase()]);
    this.#isAny = configured.includes('*');
    this.#configured = configured.filter((name) => name !== '*' && name !== '');
    this.isStrict = isLoopback(host) || this.#configured.length > 0;
  }

  /** `header` is the value of a Host header, with or without a port. */
  allows(header: string): boolean {
    if (this.#isAny || this.#remembered.has(header)) return true;
    const name = nameOf(header);
    const isAllowed =
      isIP(name) !== 0 ||
      this.#known.has(name) ||
      name.endsWith('.localhost') ||
      this.isConfigured(name);
    if (isAllowed && this.#remembered.size < REMEMBERED_MAX) this.#remembered.add(header);
    return isAllowed;
  }

  /** Whether `name` was given with --http-allowed-hosts, other than by `*`. */
  isConfigured(name: string): boolean {
    return this.#configured.some((allowed) => {
      return allowed.startsWith('.') ? name.endsWith(allowed) : name === allowed;
    });
  }
}

/** `[::1]:9000` -> `::1`, `Stele.example.:9000` -> `stele.example`. */
function nameOf(header: string): string {
  const text = header.trim().toLowerCase();
  if (text.startsWith('[')) return text.slice(1, text.indexOf(']'));
  return text.replace(/:\d*$/, '').replace(/\.$/, '');
}

function invalid(text: string): Refusal {
  return { error: new SteleError('INVALID_ARGUMENT', text) };
}

function forbidden(text: string): Refusal {
  return { error: new SteleError('PERMISSION_DENIED', text) };
}
