// Deutsche Texte dessen, was jeder Teil der Seite benutzt.

import type en from './base.en';

const base: Record<keyof typeof en, string> = {
  'base.unreachable': 'Die Box ist nicht erreichbar.',
  'base.unreachable.remedy': 'Prüfe das Netz und versuche es noch einmal.',
  'base.device.not-kept': 'Dieser Browser behält den Schlüssel nicht.',
  'base.device.not-kept.remedy': 'Entferne das Gerät wieder und versuche es ohne privates Fenster.',
  'base.device.lost': 'Dieser Browser hat den Schlüssel verloren, der ihn zum vertrauten Gerät machte.',
  'base.device.lost.remedy': 'Melde dich ab und wieder an: Ein anderes vertrautes Gerät kann ihn hereinlassen.',
  'base.close': 'Schließen',
  'base.cancel': 'Abbrechen',
};

export default base;
