// What a process with TLS tells of its certificates: metrics, and a line of /readyz?verbose.

import type { MetricSet, Series } from '../../base/process/metrics.ts';
import type { TlsIdentity } from './tls-identity.ts';

const DAY_MS = 86_400_000;

/** Adds the metrics of `tls`; without TLS there are none. */
export function defineTlsMetrics(set: MetricSet, tls: TlsIdentity | undefined): void {
  if (tls === undefined) return;
  set.series(
    'stele_tls_certificate_expiry_seconds',
    'Time until the certificate of this process (own), and the first of the authorities (ca), expires',
    () => {
      const { ca, cert } = tls.expiresInMs();
      return [...seriesOf('own', cert), ...seriesOf('ca', ca)];
    },
  );
  set.value(
    'stele_tls_reload_failed',
    '1 while the certificate files are not used because they cannot be, so that those before stay; otherwise 0',
    () => Number(tls.fault !== undefined),
  );
  set.value(
    'stele_tls_handshakes_failed_total',
    'Connections to a port of this process whose TLS handshake failed or came to no end',
    () => tls.failedHandshakes,
  );
}

/** The state of the certificates, for people. */
export function tlsText(tls: TlsIdentity): string {
  if (tls.fault !== undefined) {
    return `trouble: new certificates are not used, those before stay: ${tls.fault}`;
  }
  const leftMs = tls.expiresInMs().cert ?? 0;
  return leftMs > 0
    ? `TLS: the certificate expires in ${Math.floor(leftMs / DAY_MS)} days`
    : 'trouble: the certificate has expired';
}

function seriesOf(certificate: string, leftMs: number | undefined): Series[] {
  return leftMs === undefined ? [] : [[{ certificate }, leftMs / 1000]];
}
