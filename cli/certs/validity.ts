// How long certificates are valid unless somebody says otherwise, in days.

export const AUTHORITY_DAYS = 3650;
export const CERTIFICATE_DAYS = 365;
