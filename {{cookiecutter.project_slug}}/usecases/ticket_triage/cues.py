"""What support engineers look for in a ticket, and the first reply for each category; edit freely, then evaluate."""

import re

# Each different hit counts; see CUE_WORTH in rules.py.
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
    "low": r"no (?:hurry|rush)|whenever|any time|just (?:asking|thinking|wanted)|only asking|one wish|would be (?:nice|cool)|love|where (?:do|can) i"
    r"|is there a|do you|what is the difference|next year|in the autumn|some ?time|cosmetic|how (?:long|do) (?:does|i)|explained|thinking about",
    "normal": r"please (?:send|split|reissue|cancel|remove|change|give)|serial (?:number)?|warranty|does(?: not|n't)|did i do",
    "high": r"tomorrow|by (?:friday|monday|tuesday|wednesday|thursday)|in two days|day after tomorrow|deadline|whole (?:team|site|station)|all (?:five|six|our|of)"
    r"|(?:three|four|five|six|seven|eight|nine|ten|twelve|\d\d) (?:of|people|sondes?|sensors?|gateways?|devices?|stations?|tw-\d+)"
    r"|leaked|overwritten|nobody can|cannot work|stands still|data (?:is|are|will be) lost|at once|has stopped|switched off since|nobody hurt",
    "urgent": r"right now|still (?:on|powered|running|hot|active)|now|ambulance|bleed\w*|evacuat\w+|fire brigade|gas alarm|smoke|unconscious"
    r"|dosing|dose|aeration|blowers?|chlorin\w+|flood warning|drinking water|intake|logins? from|help[!.]|call me|hissing|tonight",
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
