// A place where a catalog is, or can be put: the source or the target of a move (move.ts).

import type { CatalogContent } from './content.ts';

export interface Place {
  /**
   * The catalog, which stays as it is. Throws NOT_FOUND if there is none, LOCKED if a master has
   * the folder in use, CORRUPT and UNAVAILABLE.
   */
  read(): Promise<CatalogContent>;
  /** The master that leads there, as far as that can be seen. */
  leader(): Promise<string | undefined>;
  /**
   * Puts a catalog where none is, all of it or nothing. Throws CONFLICT if there is one or a master
   * leads, LOCKED, OUTCOME_UNKNOWN, and CORRUPT if something else is read back.
   */
  put(content: CatalogContent): Promise<void>;
  close(): void;
}
