// Why a connection could not be made, in words that say what to do if it has to do with TLS.

import { systemErrorCode, toSteleError } from '../../base/errors.ts';

/** Begins every reason that has to do with TLS. */
const TLS_REASON = 'TLS: ';

/** For a peer that closed a connection before it answered. */
export const PERHAPS_TLS =
  'closed the connection before it answered (if it uses TLS, give --tls-ca; if it does, it may not accept our certificate)';

const NOT_TLS =
  'it does not use TLS there; leave out the --tls- settings (or give --tls off), or start it with --tls-cert and --tls-key';
const NOT_TRUSTED =
  'its certificate is not signed by an authority that is trusted here; name the right one with --tls-ca';

/**
 * By the code of an error of Node.js; the message is added to those of OpenSSL's that are not here.
 */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['ERR_SSL_WRONG_VERSION_NUMBER', NOT_TLS],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', NOT_TLS],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', NOT_TRUSTED],
  ['SELF_SIGNED_CERT_IN_CHAIN', NOT_TRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT', NOT_TRUSTED],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', NOT_TRUSTED],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', NOT_TRUSTED],
  ['CERT_SIGNATURE_FAILURE', NOT_TRUSTED],
  ['CERT_HAS_EXPIRED', 'its certificate has expired; renew it there'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet; compare the clocks'],
  [
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    'it has no version of TLS in common with us, which are 1.2 and 1.3',
  ],
]);

/** The message of a failed connection, without a full stop. */
export function dialReason(thrown: unknown): string {
  const { message } = toSteleError(thrown);
  const code = systemErrorCode(thrown) ?? '';
  const known = REASONS.get(code);
  if (known !== undefined) return `${TLS_REASON}${known} (${plain(message, code)})`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `${TLS_REASON}${message.replace(/[. ]+$/, '')}; dial a name that the certificate has, or issue one with that name`;
  }
  return code.startsWith('ERR_SSL_') ? `${TLS_REASON}${plain(message, code)}` : message;
}

/** The part of an error text that dialReason made, for those who get it from grpc-js. */
export function tlsReasonIn(text: string): string | undefined {
  const at = text.indexOf(TLS_REASON);
  return at < 0 ? undefined : text.slice(at);
}

/** OpenSSL's messages have addresses, files and line numbers. */
function plain(message: string, code: string): string {
  return (
    /:SSL routines:[^:]*:(?<reason>[^:]+):/.exec(message)?.groups?.['reason'] ?? (message || code)
  );
}
