// Who sits at this browser: the page locks after idle time or when the server
// says that it is locked or signed out, and keeps what was typed underneath. The
// same person goes on; another person gets his own first page.
(function () {
	'use strict';
	var app = window.yilian, on = app.on, hit = app.hit, box, mode = '', title, undone = '';
	var contact = Date.now(), moved = false, checkEvery = 60000;
	function key() { return document.body.dataset.key || ''; }
	function account(k) { return k.split('/')[0]; }
	function active() { localStorage.setItem('yilian-active', String(Date.now())); }
	function post(path, form, headers) {
		return fetch(path, { method: 'POST', keepalive: true, headers: Object.assign({ Accept: 'text/plain' }, headers), body: form ? new URLSearchParams(new FormData(form)) : undefined });
	}

	// ---- the cover: 'locked' asks for the password, 'switch' and 'gone' for a sign-in
	function show(how) {
		mode = how;
		var signin = how !== 'locked', forms = box.querySelectorAll('form');
		forms[0].hidden = signin;
		forms[1].hidden = !signin;
		app.all('[data-when]', box).forEach(function (x) { x.hidden = x.dataset.when !== how; });
		app.all('[data-say]', box).forEach(function (x) { x.textContent = ''; });
		forms[signin ? 1 : 0].querySelector('input').focus();
	}
	function cover(how) {
		if (!box) { location.href = '/login'; return; }
		if (mode === how) return;
		if (!box.open) {
			title = document.title;
			document.title = '屏幕已锁定 · 医联';
			box.showModal();
			document.body.classList.add('locked');
			app.pause();
		}
		show(how);
	}
	function uncover() {
		if (!mode) return;
		mode = '';
		document.title = title;
		document.body.classList.remove('locked');
		app.all('input', box).forEach(function (x) { x.value = ''; });
		box.close();
		contact = Date.now();
		active();
		app.resume();
		if (undone) app.toast('orange', undone);
		undone = '';
	}
	// lock covers this page and the others of this browser, and tells the server.
	function lock(how) {
		cover(how);
		post('/lock').catch(function () { /* covered all the same */ });
		localStorage.setItem('yilian-locked', String(Date.now()));
	}
	// refused takes an answer of the server that nobody may act now.
	function refused(status) {
		if (status === 423) { cover('locked'); localStorage.setItem('yilian-locked', String(Date.now())); }
		else if (status === 401) cover('gone');
		return status === 423 || status === 401;
	}

	// ---- from the cover back to work
	function enter(form, path, done) {
		var say = form.querySelector('[data-say]'), button = form.querySelector('[type=submit]');
		if (button.disabled) return;
		say.textContent = '';
		button.disabled = true;
		post(path, form).then(function (r) {
			if (r.ok) return done(r);
			if (r.status === 401) return show('gone');
			return r.text().then(function (t) {
				var field = form.querySelector('[type=password]');
				say.textContent = t;
				field.value = '';
				field.focus();
			});
		}).catch(function () { say.textContent = '网络不通，请稍后再试。'; }).finally(function () { button.disabled = false; });
	}
	function goOn() { localStorage.removeItem('yilian-locked'); uncover(); }
	function signedIn(r) {
		return r.json().then(function (who) {
			if (who.key === key() && !who.next) return goOn();
			if (account(who.key) !== account(key())) sessionStorage.clear(); // what the other person typed
			location.replace(who.next || '/');
		});
	}

	// ---- time without input; the server hears about input once a minute
	function tick() {
		var now = Date.now(), limit = +document.body.dataset.idle;
		if (mode) return;
		if (limit && now - localStorage.getItem('yilian-active') > limit) return lock('locked');
		if (moved && now - contact > checkEvery) touch();
	}
	function touch() {
		moved = false;
		contact = Date.now();
		return post('/touch').then(function (r) { return !refused(r.status); });
	}
	function input() {
		if (mode) return;
		moved = true;
		active();
	}

	// alive asks whether this session still works, without keeping it awake.
	app.alive = function () { return post('/touch', null, { 'X-Live': '1' }).then(function (r) { return !refused(r.status); }); };
	// fresh reports whether the server has lately taken something from this page;
	// if not, touch is asked first, so that no form is sent into a locked session.
	app.fresh = function () { return !box || Date.now() - contact < checkEvery; };
	app.touch = touch;
	app.covered = function () { return !!mode; };

	app.starting.push(function () {
		box = document.getElementById('lock');
		if (!box) return;
		localStorage.setItem('yilian-key', key());
		localStorage.removeItem('yilian-locked'); // the server has served this page
		active();
		var last = 0;
		['pointerdown', 'keydown', 'wheel', 'touchstart'].forEach(function (t) {
			on(t, function () { if (Date.now() - last > 2000) { last = Date.now(); input(); } }, { passive: true, capture: true });
		});
		setInterval(tick, Math.min(5000, Math.max(250, document.body.dataset.idle / 4 || 5000)));
		on('visibilitychange', function () { if (!document.hidden) tick(); });
		box.addEventListener('cancel', function (e) { e.preventDefault(); });
		box.addEventListener('close', function () { if (mode) box.showModal(); });
	});
	// what another window of this browser says
	window.addEventListener('storage', function (e) {
		if (!box) return;
		if (e.key === 'yilian-key' && e.newValue && e.newValue !== key()) {
			if (account(e.newValue) === account(key())) return app.toast('red', '您已在另一个窗口切换到其他岗位。本页还是原岗位的内容，请刷新本页后再操作。');
			sessionStorage.clear();
			location.replace('/');
		}
		if (e.key !== 'yilian-locked') return;
		if (e.newValue) cover('locked');
		else if (localStorage.getItem('yilian-key') === key()) uncover();
	});
	window.addEventListener('pageshow', function (e) { if (e.persisted && box) app.alive(); });

	on('htmx:config:request', function (e) {
		var c = e.detail.ctx;
		if (c.sourceEvent && c.sourceEvent.type === 'live') c.request.headers['X-Live'] = '1';
	});
	on('htmx:after:request', function (e) {
		var c = e.detail.ctx, live = c.request.headers['X-Live'];
		if (!refused(c.response.status)) { if (!live) contact = Date.now(); }
		else if (!live) undone = c.request.method === 'GET' ? '刚才的操作没有完成，请再点一次。' : '刚才的内容还没有提交，仍在页面上，请再提交一次。';
	});
	on('click', function (e) {
		if (hit(e, '[data-lock-other]')) show('switch');
		if (hit(e, '[data-lock-own]')) show('locked');
	}, true);
	on('submit', function (e) {
		var f = e.target;
		if (f.matches('[data-unlock]')) { e.preventDefault(); enter(f, '/unlock', goOn); }
		if (f.matches('[data-signin]')) { e.preventDefault(); enter(f, '/login', signedIn); }
		if (f.matches('[data-switch]') && box) { e.preventDefault(); lock('switch'); }
		if (f.matches('[data-logout]')) { sessionStorage.clear(); localStorage.setItem('yilian-locked', String(Date.now())); }
	}, true);
})();
