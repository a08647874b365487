// What every page of Yilian does in the browser: the drawer, ticking clocks, live
// parts, definitions of figures, the bar for a lost connection. Forms are in
// form.js, locking and change of person in session.js.
// Written for Chrome 109, no inline scripts.
(function () {
	'use strict';
	var body, drawer, clockSkew = 0;
	function all(sel, root) { return Array.prototype.slice.call((root || document).querySelectorAll(sel)); }
	function on(type, fn, opts) { document.addEventListener(type, fn, opts); }
	function hit(e, sel) { return e.target && e.target.closest ? e.target.closest(sel) : null; }

	// what form.js and session.js use, and where they hang in
	var app = window.yilian = { all: all, hit: hit, el: el, on: on, toast: toast, lost: function () { return lost; }, pause: pause, resume: resume, starting: [], preparing: [] };

	// ---- sentences at the corner
	function el(tag, cls, text) { var x = document.createElement(tag); x.className = cls || ''; if (text) x.textContent = text; return x; }
	function toast(tone, text) {
		var box = el('div', 'note note-' + tone), close = el('button', 'btn-close');
		box.dataset.toast = tone;
		close.type = 'button';
		close.setAttribute('data-close-toast', '');
		close.setAttribute('aria-label', '关闭');
		box.append(el('div', 'note-text', text), close);
		document.getElementById('toasts').append(box);
		age(box);
	}
	function age(box) {
		if (box._aged) return;
		box._aged = true;
		if (box.dataset.toast !== 'red') setTimeout(function () { box.remove(); }, 6000);
	}

	// ---- clocks: 剩余 1 小时 36 分, amber, red
	function left(ms) {
		var word = ms < 0 ? '超时 ' : '剩余 ', m = Math.floor(Math.abs(ms) / 60000);
		if (m < 60) return word + m + ' 分钟';
		if (m < 1440) return word + Math.floor(m / 60) + ' 小时 ' + m % 60 + ' 分';
		return word + Math.floor(m / 1440) + ' 天 ' + Math.floor(m % 1440 / 60) + ' 小时';
	}
	function tick() {
		var now = Date.now() + clockSkew;
		all('[data-due]').forEach(function (x) {
			var ms = x.dataset.due - now, text = left(ms);
			if (x.textContent !== text) x.textContent = text;
			x.classList.toggle('due-over', ms < 0);
			x.classList.toggle('due-soon', ms >= 0 && ms < +x.dataset.warn);
		});
	}

	// ---- drawer
	function openDrawer() {
		drawer.classList.toggle('drawer-wide', !!drawer.querySelector('[data-wide]'));
		bootstrap.Offcanvas.getOrCreateInstance(drawer, { keyboard: false }).show(); // Esc: see keydown below
		if (!drawer.contains(document.activeElement)) drawer.focus();
	}
	function closeDrawer() { var o = bootstrap.Offcanvas.getInstance(drawer); if (o) o.hide(); }
	function drawerClosed() {
		if (drawer._from && drawer._from !== location.href) history.replaceState(history.state, '', drawer._from);
		drawer._from = null;
		drawer.replaceChildren();
		all('.row-open').forEach(function (r) { r.classList.remove('row-open'); });
	}

	// ---- live parts: one stream a browser; without locks one per visible page
	var channel = window.BroadcastChannel ? new BroadcastChannel('yilian') : null, stale = {}, wait, stream, mine = false;
	function changed(topics) {
		topics.split(/\s+/).forEach(function (t) { if (t) stale[t] = true; });
		clearTimeout(wait);
		wait = setTimeout(refresh, 250);
	}
	function refresh() {
		if (app.covered()) return;
		var hidden = document.hidden, topics = stale;
		if (hidden) stale = Object.assign({}, topics); else stale = {};
		all(hidden ? '[data-live][data-always]' : '[data-live]').forEach(function (x) { // an alarm rings in a hidden window too
			if (x.dataset.live.split(/\s+/).some(function (t) { return topics[t] || topics['*']; })) htmx.trigger(x, 'live');
		});
	}
	function listen() {
		if (stream || !mine || app.covered()) return;
		stream = new EventSource('/events');
		stream.addEventListener('changed', function (e) { changed(e.data); if (channel) channel.postMessage(e.data); });
		stream.onopen = function () { body.dataset.stream = 'open'; if (lost) changed('*'); line(false); };
		stream.onerror = function () {
			delete body.dataset.stream;
			if (stream.readyState !== EventSource.CLOSED) return line(true); // the browser tries again
			stream = null; // refused: locked, signed out, or the server is down
			app.alive().then(function () { line(false); }, function () { line(true); }).then(function () { setTimeout(listen, 3000); });
		};
	}
	function pause() { if (stream) stream.close(); stream = null; delete body.dataset.stream; line(false); }
	function resume() { listen(); changed('*'); }
	function live() {
		if (!body.hasAttribute('data-events') || !window.EventSource) return;
		if (channel) channel.onmessage = function (e) { changed(e.data); };
		if (channel && navigator.locks) navigator.locks.request('yilian-events', function () { mine = true; listen(); return new Promise(function () {}); });
		else if (!document.hidden) { mine = true; listen(); }
	}
	on('visibilitychange', function () {
		if (!document.hidden) { refresh(); tick(); }
		if (!body || !body.hasAttribute('data-events') || channel && navigator.locks) return;
		mine = !document.hidden;
		if (mine) resume(); else pause();
	});

	// ---- lost connection
	var lost = false, hush;
	function line(broken) {
		clearTimeout(hush);
		hush = setTimeout(function () { lost = broken; var bar = document.getElementById('lost'); if (bar) bar.hidden = !broken; }, broken && navigator.onLine ? 2000 : 0);
	}
	window.addEventListener('offline', function () { line(true); });
	window.addEventListener('online', function () { line(false); });

	// ---- what new content needs, on load and after every swap
	function prepare(root, first) {
		all('table.worklist', root).forEach(function (t) {
			var heads = all('thead th', t).map(function (h) { return h.textContent.trim(); });
			all('tbody tr', t).forEach(function (r) { Array.prototype.forEach.call(r.cells, function (c, i) { if (!c.hasAttribute('data-label')) c.setAttribute('data-label', c.colSpan > 1 ? '' : heads[i] || ''); }); });
		});
		app.preparing.forEach(function (f) { f(root, first); });
		all('[data-toast]').forEach(age);
		tick();
	}
	on('DOMContentLoaded', function () {
		body = document.body;
		drawer = document.getElementById('drawer');
		if (body.dataset.now) clockSkew = body.dataset.now - Date.now();
		if (drawer) drawer.addEventListener('hidden.bs.offcanvas', drawerClosed);
		app.starting.forEach(function (f) { f(); });
		prepare(document, true);
		setInterval(tick, 5000);
		live();
	});

	// ---- htmx
	var running = 0, bar = el('div', 'busy-line');
	on('htmx:config:request', function (e) {
		var c = e.detail.ctx, src = c.sourceElement, ev = c.sourceEvent;
		if (src.matches('[data-open]') && ev && ev.target !== src && ev.target.closest && ev.target.closest('a,button,input,select,label,dialog')) return e.preventDefault();
	});
	on('htmx:before:request', function (e) {
		var c = e.detail.ctx, row = c.sourceElement.closest('[data-open]');
		if (c.target === drawer && !drawer.classList.contains('show') && !drawer._from) drawer._from = location.href;
		if (row && c.target === drawer) { all('.row-open').forEach(function (r) { r.classList.remove('row-open'); }); row.classList.add('row-open'); }
		if (++running === 1) setTimeout(function () { if (running) document.body.append(bar); }, 500);
	});
	on('htmx:after:request', function (e) {
		var c = e.detail.ctx, ask = c.sourceElement.closest('dialog[open]');
		line(false);
		if (ask && c.hx.retarget === '#toasts') { c.hx.retarget = ask.querySelector('.ask-error'); c.hx.reswap = 'innerHTML'; }
	});
	on('htmx:finally:request', function (e) {
		if (--running <= 0) { running = 0; bar.remove(); }
	});
	on('htmx:error', function (e) {
		var c = e.detail.ctx;
		if (!c || c.response) return;
		line(true);
		if (c.request.method !== 'GET') toast('red', '网络不通，这次操作没有提交。填写的内容仍在，请稍后再试。');
	});
	on('htmx:after:swap', function (e) {
		prepare(document, false);
		if (e.detail.ctx.target === drawer && drawer.firstElementChild) openDrawer();
	});
	on('toast', function (e) { (e.detail.notices || []).forEach(function (n) { toast(n.tone, n.text); }); });
	on('changed', function (e) { if (e.detail && e.detail.topics) changed(e.detail.topics); });
	on('drawer:close', closeDrawer);

	// ---- what a figure means: one definition open at a time
	function explain(button) {
		var open = button && button.getAttribute('aria-expanded') !== 'true';
		all('[data-why][aria-expanded=true]').forEach(function (x) { x.setAttribute('aria-expanded', 'false'); });
		if (open) button.setAttribute('aria-expanded', 'true');
	}

	// ---- clicks and keys
	on('click', function (e) {
		var x;
		if (x = hit(e, '[data-close-toast]')) x.closest('.note').remove();
		if (hit(e, '[data-menu-toggle]')) body.classList.toggle('menu-open');
		if (hit(e, '[data-back]')) { if (history.length > 1) history.back(); else location.href = '/'; }
		if (hit(e, '[data-print]')) window.print();
		if (x = hit(e, '[data-dialog]')) document.querySelector(x.dataset.dialog).showModal();
		if (x = hit(e, '[data-dialog-close]')) x.closest('dialog').close();
		if (!hit(e, '.why')) explain(hit(e, '[data-why]'));
	}, true);
	on('keydown', function (e) {
		var typing = hit(e, 'input,textarea,select,[contenteditable]');
		if (e.key === 'Escape' && document.querySelector('dialog[open]')) e.stopPropagation();
		else if (e.key === 'Escape' && drawer && !document.querySelector('.combo-list:not([hidden])')) closeDrawer();
		if (e.key === 'Escape') { body.classList.remove('menu-open'); explain(null); }
		if (e.key === 'Enter' && e.target.matches('[data-open]')) e.target.click();
		if (/^[0-9a-z]$/.test(e.key) && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) {
			var keyed = document.querySelector('[data-shortcut="' + e.key + '"]');
			if (keyed) { e.preventDefault(); keyed.click(); }
		}
		if (e.key === '/' && !typing && !e.ctrlKey && !e.metaKey && document.getElementById('search')) { e.preventDefault(); document.getElementById('search').focus(); }
	}, true);
})();
