// The flags of every command that takes the URL of a store.

import { option } from '../base/config.ts';

export const storeOptions = {
  s3Endpoint: option.optionalText(
    'address of the S3 store, as https://host:port; default: AWS_ENDPOINT_URL_S3, or AWS itself',
    { placeholder: 'URL' },
  ),
  s3Region: option.optionalText(
    'region of the bucket; default: AWS_REGION, that of the profile, or as the store says',
    { placeholder: 'NAME' },
  ),
};
