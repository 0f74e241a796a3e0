// The version of Stele as in package.json; a test checks that they agree.

export const STELE_VERSION = '0.1.0';
