// Small comforts; every page works without them.
(() => {
  'use strict'
  // The page's language as this reader writes it: 23 Nov 2026 in Britain, Nov 23, 2026 in America.
  const page = document.documentElement.lang
  const language = navigator.languages.find(one => one.split('-')[0] === page) ?? page
  const formats = {
    date: { dateStyle: 'medium' },
    time: { timeStyle: 'short' },
    moment: { dateStyle: 'medium', timeStyle: 'short' }
  }
  const writers = {}

  // The server writes UTC; a person reads their own clock.
  const localise = root => {
    for (const element of root.querySelectorAll('time[data-show]')) {
      const show = element.dataset.show
      writers[show] ??= new Intl.DateTimeFormat(language, formats[show])
      element.textContent = writers[show].format(new Date(element.dateTime))
    }
  }
  localise(document)
  // Before the browser paints what has come, so that no time of day flickers.
  document.addEventListener('htmx:afterSwap', () => localise(document))

  // A hidden tab asks nothing; it asks at once when somebody looks again.
  document.addEventListener('htmx:beforeRequest', event => {
    if (document.hidden && event.target.matches('[data-poll]')) event.preventDefault()
  })
  document.addEventListener('visibilitychange', () => {
    const waiting = document.querySelector('[data-poll]')
    if (!document.hidden && waiting) window.htmx.trigger(waiting, 'seen')
  })

  // Other colours at once: the answer would be the same page in them.
  for (const form of document.querySelectorAll('form[data-theme-switch]')) {
    form.addEventListener('submit', async event => {
      event.preventDefault()
      const pressed = event.submitter
      const body = new FormData(form, pressed)
      const answer = await fetch(form.action, { method: 'POST', body, redirect: 'manual' }).catch(() => null)
      if (answer?.type !== 'opaqueredirect') return location.reload()
      const schemes = pressed.value === 'device' ? 'light dark' : pressed.value
      document.documentElement.dataset.theme = pressed.value
      document.querySelector('meta[name="color-scheme"]').content = schemes
      for (const each of form.elements) if (each.ariaPressed) each.ariaPressed = String(each === pressed)
    })
  }

  // One press is one payment page.
  for (const form of document.querySelectorAll('form[data-once]')) {
    form.addEventListener('submit', event => {
      if (form.dataset.sent) event.preventDefault()
      form.dataset.sent = 'yes'
    })
  }
  window.addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form[data-once]')) delete form.dataset.sent
  })

  // Passkeys: allauth's script says what went wrong only to the console.
  document.addEventListener('allauth.error', event => {
    const place = document.getElementById('passkey-problem')
    if (!place) return
    event.preventDefault()
    place.hidden = false
  })
})()
