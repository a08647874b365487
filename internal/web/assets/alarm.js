// The alarm of an emergency: a red bar over the page and a repeating tone until
// somebody confirms. The tone is made here, no file is played. Browsers let a
// page sound only after a touch: the page asks once and remembers. Of several
// windows of one browser one sounds.
(function () {
	'use strict';
	var app = window.yilian, key = 'yilian-sound', audio, timer, release, asking = false, calls = null;
	function place() { return document.getElementById('alarm'); }
	function wanted() { return localStorage.getItem(key) === 'on'; }

	// ---- the tone: two notes, every second and a half
	function ready() { return audio && audio.state === 'running'; }
	function wake() {
		var Context = window.AudioContext || window.webkitAudioContext;
		if (!Context) return Promise.resolve();
		if (!audio) audio = new Context();
		return audio.state === 'suspended' ? audio.resume() : Promise.resolve();
	}
	function note(freq, at) {
		var o = audio.createOscillator(), g = audio.createGain();
		o.type = 'square';
		o.frequency.value = freq;
		g.gain.setValueAtTime(0.0001, at);
		g.gain.exponentialRampToValueAtTime(0.25, at + 0.02);
		g.gain.exponentialRampToValueAtTime(0.0001, at + 0.34);
		o.connect(g);
		g.connect(audio.destination);
		o.start(at);
		o.stop(at + 0.36);
	}
	function beep() {
		if (!ready()) return;
		note(880, audio.currentTime);
		note(660, audio.currentTime + 0.4);
		document.body.dataset.beeps = +(document.body.dataset.beeps || 0) + 1;
	}

	// ---- ringing
	var mark = '【急诊】';
	// name marks the title of the page while it rings; session.js changes it too.
	function name(rings) {
		var has = document.title.indexOf(mark) === 0;
		if (rings && !has) document.title = mark + document.title;
		if (!rings && has) document.title = document.title.slice(mark.length);
	}
	// take sounds here if no other window of this browser does; one that may not
	// sound yet leaves it to the others.
	function take() {
		if (timer || asking || !ready()) return;
		if (!navigator.locks) return sound();
		asking = true;
		navigator.locks.request('yilian-ring', function () {
			asking = false;
			return new Promise(function (done) { if (!ringing()) return done(); release = done; sound(); });
		});
	}
	function sound() { if (timer) return; beep(); timer = setInterval(beep, 1500); }
	function stop() {
		clearInterval(timer);
		timer = null;
		if (release) release();
		release = null;
	}
	// A locked page knows only how many wait; before it has asked, what it showed
	// when it was locked goes on ringing.
	function ringing() { return locked() && calls !== null ? calls > 0 : !!document.querySelector('#alarm [data-ring]'); }
	function look() {
		if (!place() && !board()) return;
		var rings = ringing();
		name(rings);
		if (rings) take(); else if (timer || release) stop();
		app.all('[data-sound-ask]').forEach(function (x) { x.hidden = wanted(); });
		app.all('[data-sound-silent]').forEach(function (x) { x.hidden = !rings || ready(); });
	}

	// ---- the locked page: nothing of the alarm may be shown, only that one waits
	var askEvery = 5000;
	function board() { return document.querySelector('[data-calls]'); }
	function locked() { return !!board() && (!document.getElementById('lock') || app.covered()); }
	function ask() {
		if (!locked()) { if (calls !== null) show(null); return; }
		fetch(board().dataset.calls, { headers: { Accept: 'text/plain', 'X-Live': '1' } }).then(function (r) {
			return r.status === 200 ? r.text() : null;
		}).then(function (n) { show(n === null || !locked() ? null : +n); }, function () { /* asked again soon; the sentence stays */ });
	}
	function show(n) {
		calls = n;
		var x = board();
		x.hidden = !n;
		x.querySelector('[data-calls-count]').textContent = n || '';
		look();
	}

	// ---- seconds: how long somebody waits, when the next is called
	var skew = 0;
	function words(ms) { var s = Math.max(0, Math.floor(ms / 1000)); return s < 60 ? s + ' 秒' : s < 3600 ? Math.floor(s / 60) + ' 分 ' + s % 60 + ' 秒' : Math.floor(s / 3600) + ' 小时 ' + Math.floor(s % 3600 / 60) + ' 分'; }
	function count() {
		var now = Date.now() + skew;
		app.all('[data-since]').forEach(function (x) { x.textContent = '已等待 ' + words(now - x.dataset.since); });
		app.all('[data-until]').forEach(function (x) { x.textContent = +x.dataset.until > now ? '，' + words(x.dataset.until - now) + '后呼叫下一位' : '，正在呼叫下一位'; });
	}

	app.preparing.push(look, count);
	app.starting.push(function () {
		if (document.body.dataset.now) skew = document.body.dataset.now - Date.now();
		setInterval(count, 1000);
		if (board()) { ask(); setInterval(ask, askEvery); }
		if (!place() && !board()) return;
		if (wanted()) wake().then(look, look);
		setInterval(look, 1000);
	});
	app.on('click', function (e) {
		if (!app.hit(e, '[data-sound-enable]')) return;
		localStorage.setItem(key, 'on');
		wake().then(function () { beep(); look(); }, look);
	});
	// any touch wakes a sound that the person has asked for before
	['pointerdown', 'keydown'].forEach(function (t) { app.on(t, function () { if ((place() || board()) && wanted() && !ready()) wake().then(look, look); }, true); });
})();
