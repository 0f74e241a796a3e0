// Where the user is: the part of the URL after `#`, such as `#/keyspaces/airports`.

import { signal } from '@preact/signals';

export interface Place {
  readonly page: string;
  /** What the page is about; empty: everything. */
  readonly subject: string;
}

function placeOf(hash: string): Place {
  const [page = '', subject = ''] = hash.replace(/^#?\/?/, '').split('/');
  return { page: page === '' ? 'overview' : page, subject: decoded(subject) };
}

export function hrefOf(page: string, subject = ''): string {
  return subject === '' ? `#/${page}` : `#/${page}/${encodeURIComponent(subject)}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const place = signal<Place>({ page: 'overview', subject: '' });

export function followPlace(): void {
  const read = (): void => void (place.value = placeOf(location.hash));
  addEventListener('hashchange', read);
  read();
}
