// What forms do in the browser: drafts, the guard against double submission, the
// measure of effort, fields that search while typing, dates.
(function () {
	'use strict';
	var app = window.yilian, all = app.all, hit = app.hit, el = app.el, on = app.on, toast = app.toast;

	// ---- drafts: what is typed stays in this tab until it is submitted
	var drafts = 'draft:', sent = 'sent:';
	function draftKey(form) { return drafts + document.body.dataset.key + ':' + form.dataset.keep; }
	function keepable(f) { return f.name && f.name[0] !== '_' && !/^(password|file|submit|button)$/.test(f.type); }
	function saveDraft(form) {
		var data = {};
		Array.prototype.forEach.call(form.elements, function (f) {
			if (!keepable(f)) return;
			if (f.type === 'radio' || f.type === 'checkbox') { if (f.checked) (data[f.name] = data[f.name] || []).push(f.value); }
			else (data[f.name] = data[f.name] || []).push(f.value);
		});
		try { sessionStorage.setItem(draftKey(form), JSON.stringify(data)); } catch (_) { /* storage is full or off: no draft */ }
	}
	function restoreDraft(form) {
		var raw = sessionStorage.getItem(draftKey(form)), changed = false;
		if (!raw || form.hasAttribute('data-failed')) return;
		var data = JSON.parse(raw), seen = {};
		Array.prototype.forEach.call(form.elements, function (f) {
			if (!keepable(f)) return;
			var values = data[f.name] || [];
			if (f.type === 'radio' || f.type === 'checkbox') {
				var should = values.indexOf(f.value) >= 0;
				if (f.checked !== should) { f.checked = should; changed = true; }
				return;
			}
			var i = seen[f.name] = (f.name in seen ? seen[f.name] + 1 : 0);
			if (i < values.length && f.value !== values[i]) { f.value = values[i]; changed = true; }
		});
		if (!changed) return;
		var note = el('div', 'note'), drop = el('a', '', '清除');
		drop.href = location.href;
		drop.addEventListener('click', function () { sessionStorage.removeItem(draftKey(form)); });
		var text = el('div', 'note-text', '已恢复上次没有提交的内容。 ');
		text.append(drop);
		note.append(text);
		form.prepend(note);
	}
	function settleDrafts() {
		var saved = !!document.querySelector('[data-toast=green]');
		Object.keys(sessionStorage).forEach(function (k) {
			if (k.indexOf(drafts) !== 0) return;
			if (k.indexOf(drafts + document.body.dataset.key + ':') !== 0) return sessionStorage.removeItem(k); // somebody else's
			var name = k.slice((drafts + document.body.dataset.key + ':').length);
			if (!sessionStorage.getItem(sent + k)) return;
			sessionStorage.removeItem(sent + k);
			// the form is here again: the server refused it, or the line broke before it answered
			if (saved || !document.querySelector('form[data-keep="' + CSS.escape(name) + '"]')) sessionStorage.removeItem(k);
		});
	}

	// ---- forms: one submission only, and how long it took
	function busy(form, yes) {
		all('button[type=submit], button:not([type])', form).forEach(function (b) {
			b.disabled = yes;
			b.setAttribute('aria-busy', String(yes));
		});
	}
	function measure(form, first) {
		var n = form.elements._interactions;
		if (!form._measure && n) form._measure = { n: +n.value || 0, ms: +form.elements._elapsed_ms.value || 0, t0: first ? 0 : performance.now() };
	}
	function count(e) {
		var form = hit(e, 'form[data-measure]');
		if (!form || !form._measure) return;
		var choice = e.target.matches('input[type=radio],input[type=checkbox]');
		if (e.target.matches('.combo:not([data-free]) [role=combobox]')) return; // searching and choosing is one: the code counts
		if (e.type === 'change' ? !choice : choice || hit(e, 'button,a')) form._measure.n++;
	}
	function submitted(e) {
		var form = e.target;
		if (form._measure) {
			form.elements._interactions.value = form._measure.n;
			form.elements._elapsed_ms.value = Math.round(form._measure.ms + performance.now() - form._measure.t0);
		}
		if (!form.matches('[data-guard]')) return;
		if (form._sending) { e.preventDefault(); e.stopImmediatePropagation(); return; }
		if (app.lost()) {
			e.preventDefault(); e.stopImmediatePropagation();
			return toast('red', '网络不通，还没有提交。填写的内容仍在，连接恢复后请再点一次。');
		}
		if (!form.matches('[hx-post],[hx-get]') && !app.fresh()) { // is the session still open? The whole page is about to go
			e.preventDefault(); e.stopImmediatePropagation();
			return app.touch().then(function (open) { if (open) form.requestSubmit(e.submitter); }, function () { toast('red', '网络不通，还没有提交。填写的内容仍在，连接恢复后请再点一次。'); });
		}
		form._sending = true;
		if (form.dataset.keep) { saveDraft(form); sessionStorage.setItem(sent + draftKey(form), '1'); }
		setTimeout(function () { busy(form, true); });
	}
	function released(form, ok) {
		form._sending = false;
		busy(form, false);
		if (form.dataset.keep) {
			sessionStorage.removeItem(sent + draftKey(form));
			if (ok) sessionStorage.removeItem(draftKey(form));
		}
	}

	// ---- combo: a list under the field while typing
	function comboOpen(box, yes) {
		box.querySelector('.combo-list').hidden = !yes;
		box.querySelector('[role=combobox]').setAttribute('aria-expanded', String(yes));
	}
	function comboTake(item) {
		var box = item.closest('.combo'), code = box.querySelector('[data-combo-code]'), input = box.querySelector('[role=combobox]');
		input.value = item.dataset.text;
		code.value = item.dataset.code;
		comboOpen(box, false);
		code.dispatchEvent(new Event('change', { bubbles: true }));
		input.focus();
	}
	function comboKey(e, box) {
		var items = all('.combo-item', box), at = items.findIndex(function (x) { return x.getAttribute('aria-selected') === 'true'; });
		if (box.querySelector('.combo-list').hidden) return;
		if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
			e.preventDefault();
			if (at >= 0) items[at].removeAttribute('aria-selected');
			at = (at + (e.key === 'ArrowDown' ? 1 : items.length - 1 + (at < 0))) % (items.length || 1);
			if (items[at]) { items[at].setAttribute('aria-selected', 'true'); items[at].scrollIntoView({ block: 'nearest' }); }
		} else if (e.key === 'Enter') { e.preventDefault(); if (items[Math.max(at, 0)]) comboTake(items[Math.max(at, 0)]); }
		else if (e.key === 'Escape') { e.stopPropagation(); comboOpen(box, false); }
		else if (e.key === 'Tab') comboOpen(box, false);
	}

	// ---- dates: typed as 20261121 or 2026-11-21, or taken from the calendar
	function isoDate(text) {
		var m = /^\s*(\d{4})\D?(\d{1,2})\D?(\d{1,2})\D?\s*$/.exec(text);
		return m ? m[1] + '-' + ('0' + m[2]).slice(-2) + '-' + ('0' + m[3]).slice(-2) : text.trim();
	}
	function dateChanged(e) {
		var x = e.target, box = hit(e, '.date');
		if (!box) return;
		var text = box.querySelector('[data-date]'), native = box.querySelector('[type=date]');
		if (x === native) {
			e.stopPropagation();
			text.value = native.value;
			text.dispatchEvent(new Event('change', { bubbles: true }));
		} else { text.value = isoDate(text.value); native.value = text.value; }
	}
	function halfTyped(form) { return all('[data-date]', form).some(function (x) { return x.value && !/^\d{4}-\d\d-\d\d$/.test(isoDate(x.value)); }); }

	// ---- where all this hangs in
	app.starting.push(function () { if (document.body.dataset.key !== undefined) settleDrafts(); });
	app.preparing.push(function (root, first) {
		var wrong = first && document.querySelector('main .is-invalid');
		if (wrong) wrong.focus();
		all('form[data-measure]', root).forEach(function (f) { measure(f, first); });
		all('form[data-keep]', root).forEach(function (f) { if (!f._kept) { f._kept = true; restoreDraft(f); } });
	});
	window.addEventListener('pageshow', function (e) { if (e.persisted) all('form[data-guard]').forEach(function (f) { f._sending = false; busy(f, false); }); });
	on('change', dateChanged, true);
	on('change', count, true);
	on('click', function (e) {
		var item = hit(e, '.combo-item');
		count(e);
		if (item) comboTake(item);
		all('.combo').forEach(function (b) { if (!b.contains(e.target)) comboOpen(b, false); });
	}, true);
	on('input', function (e) {
		var f = hit(e, 'form[data-keep]');
		if (f) { clearTimeout(f._later); f._later = setTimeout(function () { if (!f._sending) saveDraft(f); }, 400); }
	});
	on('submit', submitted, true);
	var taken = false;
	on('keydown', function (e) {
		if (!e.target.matches('[role=combobox]')) return;
		comboKey(e, e.target.closest('.combo'));
		taken = e.key === 'Enter' && e.defaultPrevented;
	}, true);
	// a keyboard that sends the character on its own must not submit what the key has just chosen
	on('keypress', function (e) { if (taken && e.key === 'Enter') e.preventDefault(); taken = false; }, true);
	on('htmx:config:request', function (e) {
		var c = e.detail.ctx, src = c.sourceElement, box = src.closest('.combo');
		if (src.matches('[data-filters]') && halfTyped(src)) return e.preventDefault();
		if (!src.matches('[role=combobox]')) return;
		box.querySelector('[data-combo-code]').value = '';
		if (!src.value.trim()) { comboOpen(box, false); return e.preventDefault(); }
		c.request.body = new FormData();
		c.request.body.set('q', src.value.trim());
	});
	on('htmx:after:request', function (e) { var c = e.detail.ctx, src = c.sourceElement; if (src.matches('form[data-guard]')) released(src, c.response.status < 400); });
	on('htmx:finally:request', function (e) { var src = e.detail.ctx.sourceElement; if (src && src.matches('form[data-guard]') && src._sending) released(src, false); });
	on('htmx:after:swap', function (e) {
		var src = e.detail.ctx.sourceElement;
		if (src && src.matches && src.matches('[role=combobox]') && document.activeElement === src) comboOpen(src.closest('.combo'), true);
	});
})();
