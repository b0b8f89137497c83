"""The words on the hosted pages, in English and German."""

import dataclasses
import datetime as dt

from werkzeug.datastructures import LanguageAccept

_GERMAN = {
    "Back": "Zurück",
    "Pay by card": "Mit Karte zahlen",
    "Email": "E-Mail",
    "Card number": "Kartennummer",
    "Expiration": "Gültig bis",
    "MM / YY": "MM / JJ",
    "CVC": "Prüfziffer",
    "Cardholder name": "Name auf der Karte",
    "Subscribe": "Abonnieren",
    "Start trial": "Testphase beginnen",
    "per month": "pro Monat",
    "per year": "pro Jahr",
    "per week": "pro Woche",
    "per day": "pro Tag",
    "Due today": "Heute fällig",
    "then": "danach",
    "Quantity": "Menge",
    "Free until": "Kostenlos bis",
    "Free for {days} days": "{days} Tage kostenlos",
    "Test cards": "Testkarten",
    "pays": "zahlt",
    "the bank asks first": "die Bank fragt nach",
    "the bank declines": "die Bank lehnt ab",
    "no money left": "Konto nicht gedeckt",
    "is taken, but the next charge fails": "wird angenommen, die nächste Abbuchung scheitert",
    "Any date to come, any three digits (four for Amex), any name.": (
        "Ein beliebiges künftiges Datum, drei beliebige Ziffern (vier bei Amex), "
        "ein beliebiger Name."
    ),
    "Your bank asks": "Ihre Bank fragt nach",
    "Do you confirm this payment?": "Bestätigen Sie diese Zahlung?",
    "In life this is your bank's own page.": "Im Leben ist dies eine Seite Ihrer Bank.",
    "Confirm": "Bestätigen",
    "Refuse": "Ablehnen",
    "This payment is done": "Diese Zahlung ist erledigt",
    "It was made once, and cannot be made again here.": (
        "Sie wurde einmal ausgeführt und kann hier nicht noch einmal ausgeführt werden."
    ),
    "This page has expired": "Diese Seite ist abgelaufen",
    "Nothing was charged. Go back and start again.": (
        "Es wurde nichts abgebucht. Gehen Sie zurück und beginnen Sie neu."
    ),
    "Go on": "Weiter",
    "Your card was declined.": "Ihre Karte wurde abgelehnt.",
    "Your card has insufficient funds.": "Ihre Karte ist nicht ausreichend gedeckt.",
    "Your card has expired.": "Ihre Karte ist abgelaufen.",
    "Your card's security code is incorrect.": "Die Prüfziffer Ihrer Karte ist falsch.",
    "Your card's security code is incomplete.": "Die Prüfziffer Ihrer Karte ist unvollständig.",
    "Your card's expiration date is in the past.": "Das Ablaufdatum Ihrer Karte ist vorbei.",
    "Your card's expiration date is incomplete.": "Das Ablaufdatum Ihrer Karte ist unvollständig.",
    "Your card number is invalid.": "Ihre Kartennummer ist ungültig.",
    "Your card number is incomplete.": "Ihre Kartennummer ist unvollständig.",
    "Your email is incomplete.": "Ihre E-Mail-Adresse ist unvollständig.",
    "Your cardholder name is incomplete.": "Der Name auf der Karte fehlt.",
    "An error occurred while processing your card. Try again in a little bit.": (
        "Bei der Verarbeitung Ihrer Karte ist ein Fehler aufgetreten. Versuchen Sie es gleich "
        "noch einmal."
    ),
    "We are unable to authenticate your payment method. Please choose a different payment method "
    "and try again.": (
        "Ihre Karte konnte nicht bestätigt werden. Wählen Sie eine andere und versuchen Sie es "
        "noch einmal."
    ),
    "This is a sandbox: use a test card, such as 4242 4242 4242 4242, never a real one.": (
        "Dies ist eine Sandbox: Nehmen Sie eine Testkarte, etwa 4242 4242 4242 4242, "
        "nie eine echte."
    ),
    "Do you confirm that this card may be kept for later payments?": (
        "Bestätigen Sie, dass diese Karte für spätere Zahlungen behalten werden darf?"
    ),
    "Your subscriptions": "Ihre Abonnements",
    "There is no subscription.": "Es gibt kein Abonnement.",
    "Ends on {day}": "Endet am {day}",
    "Renews on {day}": "Verlängert sich am {day}",
    "Paused": "Pausiert",
    "A payment is due": "Eine Zahlung ist fällig",
    "Cancel subscription": "Abonnement kündigen",
    "Do not cancel": "Nicht kündigen",
    "Pause": "Pausieren",
    "Resume": "Fortsetzen",
    "Your card": "Ihre Karte",
    "Save card": "Karte speichern",
    "Invoices": "Rechnungen",
    "Pay invoice": "Rechnung bezahlen",
    "Invoice as PDF": "Rechnung als PDF",
    "Refunded": "Erstattet",
    "Promotion code": "Aktionscode",
    "Apply": "Anwenden",
    "Remove code": "Code entfernen",
    "Subtotal": "Zwischensumme",
    "Discount": "Rabatt",
    "Tax": "Steuer",
    "Tax included": "Darin enthaltene Steuer",
    "This code is invalid.": "Dieser Code ist ungültig.",
    "This code has expired.": "Dieser Code ist abgelaufen.",
    "This code has been used up.": "Dieser Code ist aufgebraucht.",
    "This code is for another currency.": "Dieser Code gilt für eine andere Währung.",
    "This code is for new customers only.": "Dieser Code gilt nur für neue Kunden.",
    "This code needs a larger purchase.": "Dieser Code verlangt einen größeren Einkauf.",
    "Invoice": "Rechnung",
    "What": "Leistung",
    "Amount": "Betrag",
    "Total": "Summe",
    "Paid": "Bezahlt",
    "Due": "Offen",
    "draft": "Entwurf",
    "open": "offen",
    "paid": "bezahlt",
    "uncollectible": "uneinbringlich",
    "void": "ungültig",
    "Sandbox – no real payment": "Sandbox – keine echte Zahlung",
}
_SIGNS = {"usd": "$", "cad": "CA$", "eur": "€", "gbp": "£"}


@dataclasses.dataclass(frozen=True)
class Words:
    """One language's words, amounts and dates."""

    language: str

    def __call__(self, english: str, **values: object) -> str:
        """A text of the pages."""
        text = _GERMAN[english] if self.language == "de" else english
        return text.format(**values)

    def bank(self, message: str) -> str:
        """A refusal in the buyer's language; one that has no translation stays as it is."""
        return _GERMAN.get(message, message) if self.language == "de" else message

    def money(self, amount: int, currency: str) -> str:
        """An amount of the currency's smallest units."""
        if amount < 0:
            return f"−{self.money(-amount, currency)}"
        whole, rest = divmod(amount, 100)
        sign = _SIGNS.get(currency, currency.upper())
        if self.language == "de":
            return f"{whole:,}".replace(",", ".") + f",{rest:02d}\u00a0{sign}"
        return f"{sign}{whole:,}.{rest:02d}"

    def date(self, instant: int) -> str:
        """A day, in UTC."""
        day = dt.datetime.fromtimestamp(instant, dt.UTC)
        return f"{day:%d.%m.%Y}" if self.language == "de" else f"{day:%B} {day.day}, {day.year}"


ENGLISH = Words("en")


def words_for(locale: str | None, accepted: LanguageAccept) -> Words:
    """The session's language, or else the best that the browser asks for."""
    asked = locale if locale not in (None, "auto") else accepted.best_match(["en", "de"])
    return Words("de" if asked == "de" else "en")
