// What the rest of the page may use of this folder.

export { openAccount } from './account';
export { openAudit } from './audit';
export { allowPlace, overrideHostKey } from './hostkey';
export { openHostKeys } from './hostkeys';
export { readLink } from './link';
export { showNotices } from './notices';
export { showStage } from './stage';
export { showTokenPage } from './token';
export { openUsers } from './users';
