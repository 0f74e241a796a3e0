// The address of a store: `file:///path` or `s3://bucket/prefix`.

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';

export type StoreAddress =
  | { readonly kind: 'folder'; readonly url: string; readonly path: string }
  | {
      readonly kind: 's3';
      readonly url: string;
      readonly bucket: string;
      /** Without slashes at its ends; may be empty. */
      readonly prefix: string;
    };

const BUCKET_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/;
const FORMS = 'use file:///path/of/a/folder or s3://bucket/prefix';

/** Throws INVALID_ARGUMENT. */
export function parseStoreUrl(text: string): StoreAddress {
  if (text.startsWith('file:')) return folderAddress(text);
  if (text.startsWith('s3://')) return bucketAddress(text);
  throw notAStore(text, FORMS);
}

/** Whether two URLs are the same place, apart from the endpoint. Throws INVALID_ARGUMENT. */
export function isSameStore(left: string, right: string): boolean {
  const place = (text: string): string => {
    const address = parseStoreUrl(text);
    return address.kind === 'folder' ? resolve(address.path) : address.url;
  };
  return place(left) === place(right);
}

function folderAddress(text: string): StoreAddress {
  let path: string;
  try {
    path = fileURLToPath(text);
  } catch (thrown) {
    const why = 'a folder has three slashes and no host, as in file:///mnt/archive';
    throw notAStore(text, why, thrown);
  }
  if (path === '/') throw notAStore(text, 'the root of the file system cannot be one');
  if (!text.startsWith('file:///')) throw notAStore(text, FORMS);
  return { kind: 'folder', url: text, path };
}

function bucketAddress(text: string): StoreAddress {
  const [bucket = '', ...rest] = text.slice('s3://'.length).split('/');
  const prefix = rest.join('/').replace(/^\/+|\/+$/g, '');
  if (bucket.includes('@')) {
    throw notAStore('s3://...', 'credentials do not belong in the URL; docs/backup.md says where');
  }
  if (!BUCKET_PATTERN.test(bucket)) throw notAStore(text, 'a bucket has 3 to 63 characters');
  if (/[?#]/.test(text)) throw notAStore(text, 'it has no ? or #; use --s3-endpoint, --s3-region');
  const hasDots = prefix.split('/').some((part) => part === '.' || part === '..');
  if (hasDots || prefix.includes('//')) throw notAStore(text, 'a prefix is parts joined by /');
  return { kind: 's3', url: `s3://${bucket}${prefix && `/${prefix}`}`, bucket, prefix };
}

function notAStore(text: string, why: string, cause?: unknown): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not the URL of a store: ${why}.`,
    { cause },
  );
}
