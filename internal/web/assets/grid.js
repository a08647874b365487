// The map of a draft layout: a town is dragged onto a cell of the legend or onto
// a town of another cell, or chosen and then the cell; the server says what that
// would cost. Written for Chrome 109, no inline scripts.
(function () {
	'use strict';
	var app = window.yilian, chosen = null, ghost = null, start = null;

	function board(x) { return x && x.closest ? x.closest('[data-board]') : null; }
	function townOf(x) { return x && x.closest ? x.closest('[data-town]') : null; }
	function choose(town) {
		app.all('.map-chosen').forEach(function (t) { t.classList.remove('map-chosen'); });
		chosen = town;
		if (town) town.classList.add('map-chosen');
	}
	function ask(town, cell) {
		var b = board(town);
		if (!b || !cell || town.getAttribute('data-cell') === cell) return;
		window.htmx.ajax('GET', b.getAttribute('data-board') + '?code=' + encodeURIComponent(town.getAttribute('data-town')) + '&cell=' + encodeURIComponent(cell), { target: '#try', swap: 'innerHTML' });
	}
	function cellAt(x, y) {
		var at = document.elementFromPoint(x, y), holder = at && at.closest ? at.closest('[data-cell]') : null;
		return holder ? holder.getAttribute('data-cell') : '';
	}
	function end() {
		if (ghost) ghost.remove();
		ghost = start = null;
	}

	document.addEventListener('pointerdown', function (e) {
		var town = townOf(e.target);
		if (!town || !board(town) || e.button !== 0) return;
		start = { town: town, x: e.clientX, y: e.clientY };
		e.preventDefault();
	});
	document.addEventListener('pointermove', function (e) {
		if (!start) return;
		if (!ghost) {
			if (Math.abs(e.clientX - start.x) + Math.abs(e.clientY - start.y) < 8) return;
			ghost = document.createElement('div');
			ghost.className = 'map-ghost';
			ghost.textContent = start.town.getAttribute('data-name');
			document.body.append(ghost);
			choose(start.town);
		}
		ghost.style.transform = 'translate(' + (e.clientX + 12) + 'px,' + (e.clientY + 12) + 'px)';
	});
	document.addEventListener('pointerup', function (e) {
		if (!start) return;
		var town = start.town, dragged = !!ghost;
		end();
		if (dragged) ask(town, cellAt(e.clientX, e.clientY));
		else choose(town);
	});
	document.addEventListener('pointercancel', end);
	document.addEventListener('click', function (e) {
		var row = e.target.closest ? e.target.closest('.map-legend [data-cell]') : null;
		if (row && board(row) && chosen) ask(chosen, row.getAttribute('data-cell'));
	});
	document.addEventListener('keydown', function (e) {
		var town = townOf(e.target);
		if (town && board(town) && (e.key === 'Enter' || e.key === ' ')) { choose(town); e.preventDefault(); }
	});
})();
