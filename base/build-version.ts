// The version of Stele, as package.json has it (a test sees to it that they agree).

export const STELE_VERSION = '0.1.0';
