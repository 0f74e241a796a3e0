// The files of TLS: whether they can be used, and for how long.

import { sentenceOf } from '../exit.ts';
import { clientTls } from '../../transport/tls/open-tls.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import type { TlsSettings } from '../../transport/tls/tls-settings.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

const DAY_MS = 86_400_000;
const DAYS_LOW = 14;

/** The identity that the settings name, if it can be used. */
export function checkTls(settings: TlsSettings): {
  findings: Finding[];
  tls: TlsIdentity | undefined;
} {
  try {
    const tls = clientTls(settings);
    if (tls === undefined) return { findings: [ok('TLS', 'off')], tls };
    const { ca, cert } = tls.expiresInMs();
    const findings = [...expiry('certificate', cert), ...expiry('authority', ca)];
    return { findings: findings.length === 0 ? [ok('TLS', 'on')] : findings, tls };
  } catch (thrown) {
    const advice = 'Check --tls-cert, --tls-key and --tls-ca; `stele certs` makes such files.';
    return { findings: [fail('TLS', sentenceOf(thrown), advice)], tls: undefined };
  }
}

export function expiry(what: string, leftMs: number | undefined): Finding[] {
  if (leftMs === undefined) return [];
  const check = `TLS ${what}`;
  const days = Math.floor(leftMs / DAY_MS);
  const advice =
    'Renew it: `stele certs node --renew`, `client --renew`, or `init --renew` for the authority.';
  if (leftMs <= 0) return [fail(check, 'has expired', advice)];
  const text = `expires in ${days} days`;
  return [days < DAYS_LOW ? warn(check, text, advice) : ok(check, text)];
}
