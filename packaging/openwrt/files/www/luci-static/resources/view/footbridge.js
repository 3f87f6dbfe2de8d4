'use strict';
'require view';
'require uci';

// A link, not a frame: the page is an origin of its own that no other page may frame, and it is HTTPS even where LuCI is not.
return view.extend({
	load: function () {
		return uci.load('footbridge');
	},
	render: function () {
		var listen = uci.get('footbridge', 'main', 'listen') || '[::]:8443';
		var port = listen.split(':').pop();
		var address = 'https://' + window.location.hostname + ':' + port + '/';
		return E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, 'Footbridge'),
			E('p', {}, _('SSH terminals in the browser. The page opens in a tab of its own.')),
			E('p', {}, E('a', { 'class': 'btn cbi-button cbi-button-action', 'href': address, 'target': '_blank', 'rel': 'noopener noreferrer' }, address)),
			E('p', {}, _('The first administrator needs the claim code, which "footbridge-claim" prints on the router.'))
		]);
	},
	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
