// Rights, and the grants that roles consist of: a right on the keyspaces that match a pattern.
//
//   read      values, keys, listings
//   load      load, append, promote, rollback, keep
//   operate   datanodes, masters, suspend, replication, drop
//   admin     users and roles
//
// What concerns no keyspace alone, such as draining a datanode, needs the right on the pattern `*`.

import { SteleError } from '../base/errors.ts';
import { globMatches } from '../base/glob.ts';
import { shorten } from '../base/ids.ts';

export const RIGHTS = ['read', 'load', 'operate', 'admin'] as const;

export type Right = (typeof RIGHTS)[number];

const ALL = '*';
const GRANT = /^(?<right>[a-z]+):(?<pattern>[!-~]{1,128})$/;
/** Decisions that one `Rights` keeps. */
const KEPT_MAX = 10_000;

/** The roles of every cluster. They cannot be changed. */
export const BUILT_IN_ROLES: Readonly<Record<string, readonly string[]>> = {
  reader: ['read:*'],
  loader: ['read:*', 'load:*'],
  operator: ['read:*', 'operate:*'],
  admin: RIGHTS.map((right) => `${right}:${ALL}`),
};

/** Throws INVALID_ARGUMENT for text that is not RIGHT:PATTERN. */
export function checkGrant(text: string): void {
  const right = GRANT.exec(text)?.groups?.['right'];
  if (RIGHTS.some((known) => known === right)) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a grant: use RIGHT:PATTERN, such as read:geo*; the rights are ${RIGHTS.join(', ')}.`,
  );
}

/** What grants allow together. Not changed afterwards, so decisions are kept. */
export class Rights {
  readonly #patterns = new Map<string, string[]>();
  readonly #kept = new Map<string, boolean>();

  constructor(grants: readonly string[]) {
    for (const grant of grants) {
      const { pattern = '', right = '' } = GRANT.exec(grant)?.groups ?? {};
      this.#patterns.set(right, [...(this.#patterns.get(right) ?? []), pattern]);
    }
  }

  /**
   * Whether they allow `right` on a keyspace; without one, on all of them and the cluster itself.
   */
  may(right: Right, keyspace?: string): boolean {
    const patterns = this.#patterns.get(right);
    if (patterns === undefined) return false;
    if (patterns.includes(ALL)) return true;
    return keyspace !== undefined && this.#matches(right, patterns, keyspace);
  }

  /** Whether they allow `right` on some keyspaces. */
  has(right: Right): boolean {
    return this.#patterns.has(right);
  }

  #matches(right: Right, patterns: readonly string[], keyspace: string): boolean {
    const question = `${right}:${keyspace}`;
    let answer = this.#kept.get(question);
    if (answer === undefined) {
      const name = Buffer.from(keyspace);
      answer = patterns.some((pattern) => globMatches(Buffer.from(pattern), name));
      if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
      this.#kept.set(question, answer);
    }
    return answer;
  }
}
