// Identities for tests: an authority, and what it signs.

import { issue, newAuthority } from '../../../cli/certs/issue.ts';
import type { Issued } from '../../../cli/certs/issue.ts';

/** What a `TlsIdentity` is made of, as texts in PEM. */
export interface PemSource {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export async function newTestAuthority(): Promise<Issued> {
  return newAuthority(2);
}

/** Certified for `hosts` by `authority`, which it trusts. */
export async function newSource(
  authority: Issued,
  hosts: readonly string[] = ['127.0.0.1', 'localhost'],
  days = 1,
): Promise<PemSource> {
  const issued = await issue(authority, { commonName: 'node', hosts, days });
  return { ...issued, ca: authority.cert };
}
