// Options of everything that uses a store.

import { option } from '../base/config.ts';

/** Where an s3:// URL leads. */
export const storeOptions = {
  s3Endpoint: option.text(
    'address of the S3 store, as https://host:port; default: AWS_ENDPOINT_URL_S3, or AWS itself',
    '',
    { placeholder: 'URL' },
  ),
  s3Region: option.text(
    'region of the bucket; default: AWS_REGION, that of the profile, or as the store says',
    '',
    { placeholder: 'NAME' },
  ),
};
