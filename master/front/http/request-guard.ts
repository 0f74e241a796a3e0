// Whom the HTTP port answers: programs, and pages of its own origin. A browser lets any web page send simple
// requests to any address, so without this check a page that an operator happens to visit could suspend or
// roll back a keyspace of a cluster on his machine or in his network.
//
//   changes   a browser says where a request comes from (Origin, Sec-Fetch-Site). Anything but a GET or HEAD
//             from another origin is refused. Programs send neither header.
//   reads     a page cannot read the answer from another origin, unless it has its own host name resolve to
//             this address (DNS rebinding). The Host header is that name then, so a name has to be known:
//             localhost, the name of this machine, the name that is listened on, or one that is configured.
//             An IP address cannot be rebound. On an address that is not loopback, programs use names that
//             nobody has listed (a Kubernetes service): there only browsers are held to known names.
//
// The checks of form that Node.js leaves out (RFC 9112: one Host, no other coding than chunked) are here, too.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { missingHost } from '../../../base/problem.ts';

const LOOPBACK = /^(?:127\.|::1$|localhost$)/;
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Host headers that were found to be allowed are remembered, so many. */
const REMEMBERED_MAX = 1000;
const ADVICE =
  'start the master with --http-allowed-hosts NAME to allow it (docs/operations.md, network)';

export interface GuardOptions {
  /** The address that is listened on. */
  readonly host: string;
  /** Further names: `stele.example.com`, `.example.com` for all below it, `*` for any. */
  readonly allowedHosts: readonly string[];
}

/** An error, and the HTTP status where it is not the one of its code. */
export interface Refusal {
  readonly error: SteleError;
  readonly status?: number;
}

/** Says for each request, with its URL as it came, why it is refused; undefined: it is not. Cheap: it runs for every read. */
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
  return undefined;
}

function isOwnOrigin(origin: string, host: string | undefined, names: HostNames): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  const withPort = url.port === '' ? [url.host, `${url.host}:80`, `${url.host}:443`] : [url.host];
  return withPort.includes(host?.toLowerCase() ?? '') || names.isConfigured(url.hostname);
}

/** Browsers say so in one of these; that a page leaves all of them out, no browser allows. */
function isBrowser({ headers }: IncomingMessage): boolean {
  return (
    headers.origin !== undefined ||
    headers.referer !== undefined ||
    headers['sec-fetch-site'] !== undefined ||
    headers['user-agent']?.startsWith('Mozilla/') === true
  );
}

class HostNames {
  /** Whether unknown names are refused whoever sends them. */
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
    this.isStrict = LOOPBACK.test(host) || this.#configured.length > 0;
  }

  /** `header` is the value of a Host header, perhaps with a port. */
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
